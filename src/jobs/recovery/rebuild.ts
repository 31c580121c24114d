import { enterRecovered } from "../../catalog/recovered.ts";
import type { Run } from "../../catalog/runs.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError, failAs } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { Manifest } from "../../model/manifest.ts";
import { parseErasure } from "../../model/parse-erasure.ts";
import { parseManifest } from "../../model/parse-manifest.ts";
import { parseProof } from "../../model/parse-proof.ts";
import { type Act, isBad, type Proof, type ProofSummary } from "../../model/proof.ts";
import { readDocument, readWholeDocument } from "../../store/document.ts";
import type { GuardedBucket } from "../../store/guarded-bucket.ts";
import { ERASURES } from "../../store/erasures.ts";
import { ownKey, parseKey, placeOf } from "../../store/keys.ts";
import { proofPlace, summaryOf } from "../proof/prove.ts";
import { isOutage, type Left } from "./rebuild-left.ts";
import { rebuildLog } from "./rebuild-log.ts";

/** Keys listed in one call: what is read for them stays far below a Worker's limits. */
const PAGE = 300;

/** The results of one call of a rebuild. */
export interface Rebuilt {
  /** Backups that are in the catalog now, and those of them that were not before. */
  backups: number;
  entered: number;
  /** Page logs that were entered. */
  lineages: number;
  /** Objects in the bucket that cannot be entered, and the reasons. */
  left: Left[];
  /** The `after` of the next call; null if the whole bucket has been read. */
  next: string | null;
}

/** The objects of one backup. */
export interface Found {
  manifestKey?: string;
  bytesKey?: string;
  proofKeys: string[];
}

/**
 * Enter the contents of the bucket into the catalog: backups with their proofs, the runs that made
 * them, page logs. What the catalog has already stays as it is, so that this can be repeated.
 *
 * @param after the `next` of the previous call
 * @param acceptUnsigned enter also what has no MAC of this SIGNING_KEY
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function rebuild(
  context: Context,
  after: string | undefined,
  acceptUnsigned: boolean = false,
): Promise<Rebuilt> {
  const { bucket } = context;
  const result: Rebuilt = { backups: 0, entered: 0, lineages: 0, left: [], next: null };
  const page = await failAs("STORE_FAILED", "listing the bucket", () =>
    bucket.list({ limit: PAGE, ...(after !== undefined && { startAfter: after }) }),
  );
  const keys = page.objects.map(({ key }) => key);
  const firstOfLog = keys.findIndex((key) => key.startsWith("log/"));
  if (firstOfLog === 0) return { ...result, ...(await logOf(context, keys[0]!, acceptUnsigned)) };

  // The objects of a backup are neighbours: those that the page may have cut are left to the next call.
  const own = firstOfLog === -1 ? keys : keys.slice(0, firstOfLog);
  const stems = Map.groupBy(own, stemOf);
  const last =
    firstOfLog === -1 && page.truncated && stems.size > 1 ? stemOf(keys.at(-1)!) : undefined;
  await bucket.expect(own);
  let next: string | null = null;
  for (const [stem, members] of stems) {
    if (stem === last) break;
    next = members.at(-1)!;
    const found = sorted(members);
    const key = found.manifestKey ?? members[0]!;
    try {
      if (key.startsWith(ERASURES)) await checkErasure(bucket, key, acceptUnsigned);
      if (found.manifestKey === undefined) continue;
      const entered = await enterFound(context, found, acceptUnsigned);
      if (!(await isCounted(bucket, key))) result.backups++;
      if (entered) result.entered++;
    } catch (thrown) {
      const error = asNightjarError(thrown);
      if (isOutage(error)) throw error;
      log.error("object-not-rebuilt", error, { key });
      result.left.push({ key, error: error.report() });
    }
  }
  return { ...result, next: page.truncated || firstOfLog !== -1 ? next : null };
}

/** Enter the page log that a key belongs to; the next call continues after it. */
async function logOf(
  context: Context,
  key: string,
  acceptUnsigned: boolean,
): Promise<Partial<Rebuilt>> {
  const [, database, rest] = key.split("/");
  if (rest === undefined) return { next: key }; // an object that is not Nightjar's
  const next = `log/${database}0`; // 0 comes right after the slash
  return { ...(await rebuildLog(context, database!, acceptUnsigned)), next };
}

/** Matches an entry of an erasure list; the objects beside the entries have names of their own. */
const ENTRY = /^erasures\/[^/]+\/[^/.]+\.json$/;

/** Read and check a document of an erasure list, which the catalog is to know from now on. */
async function checkErasure(
  bucket: GuardedBucket,
  key: string,
  acceptUnsigned: boolean,
): Promise<void> {
  const text = await readDocument(bucket, key, { acceptUnsigned });
  if (text !== null && ENTRY.test(key)) parseErasure(text, key);
}

/** Return true if a manifest is of a pinned copy whose own backup is there too: the two count as one. */
async function isCounted(bucket: GuardedBucket, key: string): Promise<boolean> {
  const own = ownKey(key);
  return own !== key && (await readWholeDocument(bucket, own)) !== null;
}

/** Return the key up to the id: the part that all objects of one backup share. */
export function stemOf(key: string): string {
  return key.replace(/\.[^/]*$/, "");
}

/** Sort the objects of one backup by their kind. */
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
 * @returns true if the catalog did not have it
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `OBJECT_UNSIGNED`, `CATALOG_CONFLICT`,
 *   `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function enterFound(
  { bucket, catalog }: Context,
  { manifestKey: at, bytesKey, proofKeys }: Found,
  acceptUnsigned: boolean = false,
): Promise<boolean> {
  const text = await readDocument(bucket, at!, { acceptUnsigned });
  if (text === null) throw new NightjarError("OBJECT_MISSING", `${at} is not in the bucket.`);
  const manifest = parseManifest(text, placeOf(at!));
  if (bytesKey !== manifest.key)
    throw new NightjarError("OBJECT_MISSING", `${manifest.key} is not in the bucket.`);
  const proofs = await readProofs(bucket, proofKeys, manifest, acceptUnsigned);
  return enterRecovered(catalog, manifest, proofs.newest, runOf(manifest, proofs.ofRun));
}

/**
 * Read the newest proof of each act, and the proofs that the run made, which are the oldest. The many
 * in between are not read. Reading stops at a damaged or missing proof, as that one may have said
 * otherwise: the backup then counts as not proven.
 */
async function readProofs(
  bucket: GuardedBucket,
  keys: readonly string[],
  manifest: Manifest,
  acceptUnsigned: boolean,
): Promise<{ newest: Partial<Record<Act, ProofSummary>>; ofRun: Proof[] }> {
  // Also the proofs that are not read below: nothing checks them later.
  if (acceptUnsigned)
    for (const key of keys) await readWholeDocument(bucket, key, { acceptUnsigned });
  const read = new Map<string, Proof | null>();
  const at = async (key: string): Promise<Proof | null> => {
    const known = read.get(key);
    if (known !== undefined) return known;
    const text = await readWholeDocument(bucket, key, { acceptUnsigned });
    const proof = text === null ? null : wholeProof(text, key, manifest);
    read.set(key, proof);
    return proof;
  };
  const ofRun: Proof[] = [];
  for (const key of keys) {
    const proof = await at(key);
    if (proof?.runId !== manifest.runId) break;
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

/** Parse a proof that must fit its key; return null for one that does not, as for a damaged one. */
function wholeProof(text: string, key: string, manifest: Manifest): Proof | null {
  try {
    return parseProof(text, proofPlace(key, manifest));
  } catch (thrown) {
    log.error("proof-not-rebuilt", thrown, { key });
    return null;
  }
}

/** Return the run that made a backup, as far as the bucket shows it. */
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
