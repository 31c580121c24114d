import { enterRecovered } from "../catalog/recovered.ts";
import type { Run } from "../catalog/runs.ts";
import type { Context } from "../context.ts";
import { asNightjarError, type ErrorReport, NightjarError, orFail } from "../errors.ts";
import { log } from "../log.ts";
import type { Manifest } from "../manifest.ts";
import { type Act, isBad, type Proof, type ProofSummary } from "../proof.ts";
import { readDocument, readWholeDocument } from "../store/document.ts";
import type { GuardedBucket } from "../store/guarded-bucket.ts";
import { parseKey } from "../store/keys.ts";
import { summaryOf } from "./prove.ts";
import { rebuildLog } from "./rebuild-log.ts";

/** Keys that are looked at in one call: what is read for them stays far below a Worker's limits. */
const PAGE = 600;

/** What one call of a rebuild has found. */
export interface Rebuilt {
  /** Backups that stand in the catalog now, and those of them that did not before. */
  backups: number;
  entered: number;
  /** Page logs that were entered. */
  lineages: number;
  /** What is in the bucket and cannot be entered, and why. */
  left: { key: string; error: ErrorReport }[];
  /** Where the next call goes on; null when the whole bucket has been read. */
  next: string | null;
}

/** The objects of one backup. */
export interface Found {
  manifestKey?: string;
  bytesKey?: string;
  proofKeys: string[];
}

/**
 * Enter what lies in the bucket into the catalog: backups with their proofs, the runs that made them,
 * page logs. What the catalog has already stays as it is, so that it can be repeated.
 *
 * @param after the `next` of the call before
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function rebuild(context: Context, after: string | undefined): Promise<Rebuilt> {
  const { bucket } = context;
  const result: Rebuilt = { backups: 0, entered: 0, lineages: 0, left: [], next: null };
  const page = await orFail("STORE_FAILED", "listing the bucket", () =>
    bucket.list({ limit: PAGE, ...(after !== undefined && { startAfter: after }) }),
  );
  const keys = page.objects.map(({ key }) => key);
  const firstOfLog = keys.findIndex((key) => key.startsWith("log/"));
  if (firstOfLog === 0) return { ...result, ...(await logOf(context, keys[0]!)) };

  // The objects of a backup are neighbours: those that the page may have cut go to the next one.
  const own = firstOfLog === -1 ? keys : keys.slice(0, firstOfLog);
  const stems = Map.groupBy(own, stemOf);
  const last =
    firstOfLog === -1 && page.truncated && stems.size > 1 ? stemOf(keys.at(-1)!) : undefined;
  let next: string | null = null;
  for (const [stem, members] of stems) {
    if (stem === last) break;
    next = members.at(-1)!;
    const found = sorted(members);
    if (found.manifestKey === undefined) continue;
    try {
      const entered = await enterFound(context, found);
      result.backups++;
      if (entered) result.entered++;
    } catch (thrown) {
      const error = asNightjarError(thrown);
      if (error.code === "STORE_FAILED" || error.code === "CATALOG_FAILED") throw error;
      log.error("not-rebuilt", error, { key: found.manifestKey });
      result.left.push({ key: found.manifestKey, error: error.report() });
    }
  }
  return { ...result, next: page.truncated || firstOfLog !== -1 ? next : null };
}

/** Enter the page log that a key is of; the next call goes on behind it. */
async function logOf(context: Context, key: string): Promise<Partial<Rebuilt>> {
  const database = key.split("/")[1]!;
  const next = `log/${database}0`; // 0 comes right after the slash
  try {
    return { lineages: await rebuildLog(context, database), next };
  } catch (thrown) {
    const error = asNightjarError(thrown);
    if (error.code === "STORE_FAILED" || error.code === "CATALOG_FAILED") throw error;
    log.error("not-rebuilt", error, { key: `log/${database}/` });
    return { left: [{ key: `log/${database}/`, error: error.report() }], next };
  }
}

/** The key up to the id: what all objects of one backup share. */
export function stemOf(key: string): string {
  return key.replace(/\.[^/]*$/, "");
}

/** What the objects of one backup are. */
export function sorted(keys: readonly string[]): Found {
  const found: Found = { proofKeys: [] };
  for (const key of keys) {
    const part = parseKey(key)?.part;
    if (part === "manifest") found.manifestKey = key;
    else if (part === "bytes") found.bytesKey = key;
    else if (part === "proof") found.proofKeys.push(key);
  }
  return found;
}

/**
 * Enter one backup by its objects.
 *
 * @returns whether the catalog did not have it
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function enterFound(
  { bucket, catalog }: Context,
  { manifestKey: at, bytesKey, proofKeys }: Found,
): Promise<boolean> {
  const text = await readDocument(bucket, at!);
  if (text === null) throw new NightjarError("OBJECT_MISSING", `${at} is not in the bucket.`);
  const manifest = parsed(text, at!);
  if (bytesKey !== manifest.key)
    throw new NightjarError("OBJECT_MISSING", `${manifest.key} is not in the bucket.`);
  const proofs = await readProofs(bucket, proofKeys, manifest.runId);
  return enterRecovered(catalog, manifest, proofs.newest, runOf(manifest, proofs.ofRun));
}

/** A manifest that says of itself what its key says. */
function parsed(text: string, at: string): Manifest {
  const manifest = JSON.parse(text) as Manifest;
  const name = parseKey(at)!;
  if (
    manifest.format === 1 &&
    manifest.manifestKey === at &&
    manifest.id === name.id &&
    manifest.database === name.database
  )
    return manifest;
  throw new NightjarError("OBJECT_CORRUPT", `${at} is not the manifest of its backup.`);
}

/**
 * What the newest proof of each act says, and the proofs that the run made, which are the oldest. Of
 * the many in between none is read. What lies behind one that is damaged or gone is not believed, as
 * that one may have said otherwise: the backup then counts as not proven.
 */
async function readProofs(
  bucket: GuardedBucket,
  keys: readonly string[],
  runId: string,
): Promise<{ newest: Partial<Record<Act, ProofSummary>>; ofRun: Proof[] }> {
  const read = new Map<string, Proof | null>();
  const at = async (key: string): Promise<Proof | null> => {
    const known = read.get(key);
    if (known !== undefined) return known;
    const text = await readWholeDocument(bucket, key);
    const proof = text === null ? null : (JSON.parse(text) as Proof);
    read.set(key, proof);
    return proof;
  };
  const ofRun: Proof[] = [];
  for (const key of keys) {
    const proof = await at(key);
    if (proof?.runId !== runId) break;
    ofRun.push(proof);
  }
  const newest: Partial<Record<Act, ProofSummary>> = {};
  for (const key of keys.toReversed()) {
    const proof = await at(key);
    if (proof === null) break;
    newest[proof.act] ??= summaryOf(proof);
    if (newest.verify !== undefined && newest.drill !== undefined) break;
  }
  return { newest, ofRun };
}

/** The run that made a backup, as far as the bucket tells. */
function runOf(manifest: Manifest, proofs: readonly Proof[]): Run {
  const { id, runId, database, trigger, tier, name, labels, scheduledFor, raw, stored } = manifest;
  const { attempt, queuedAt, startedAt } = manifest.run;
  const bad = proofs.find(({ outcome }) => isBad(outcome));
  const finishedAt = Date.parse(proofs.at(-1)?.finishedAt ?? manifest.finishedAt);
  return {
    id: runId,
    database,
    trigger,
    tier,
    name,
    labels,
    scheduledFor: scheduledFor === null ? null : Date.parse(scheduledFor),
    state: bad === undefined ? "done" : "failed",
    attempt,
    rawBytes: raw.bytes,
    storedBytes: stored.bytes,
    error: bad?.problem ?? null,
    backupId: id,
    createdAt: Date.parse(queuedAt),
    startedAt: Date.parse(startedAt),
    updatedAt: finishedAt,
    finishedAt,
  };
}
