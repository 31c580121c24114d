import { allForReconciling } from "../../catalog/backups.ts";
import { allSegmentKeys } from "../../catalog/lineages.ts";
import { allUploads } from "../../catalog/uploads.ts";
import type { Context } from "../../worker/context.ts";
import { log } from "../../core/log.ts";
import { DAY, HOUR } from "../../plan/duration.ts";
import { parseKey } from "../../store/keys.ts";
import { AUDIT } from "../../store/audit-heads.ts";
import { ERASURES } from "../../store/erasures.ts";
import { listBackupObjects, listObjects } from "../../store/list.ts";
import { parseSegmentKey } from "../../store/segment-keys.ts";
import { recoverUploads } from "./recover-uploads.ts";
import { prove } from "../proof/prove.ts";
import { enterFound, sorted, stemOf } from "./rebuild.ts";
import { verifyOldestSegments } from "../proof/verify-log.ts";

/** Age from which an object is compared, ms: a run may still be working on a younger one. */
const SETTLED = DAY;
/** Time after which a backup that its own run has not verified is verified separately, ms. */
const UNVERIFIED = HOUR;

/** The differences between bucket and catalog: keys and ids. */
export interface Reconciled {
  /** Keys of backups that were whole in the bucket and not in the catalog: entered. */
  entered: string[];
  /** Ids of backups in the catalog whose bytes or manifest are missing: found corrupt now. */
  missing: string[];
  /** Ids of backups that were never verified: being verified now. */
  verifying: string[];
  /** Keys of objects that belong to no known backup and no known log; they are left alone. */
  orphans: string[];
  /**
   * Keys of page log segments that are not what was written; a log whose newest state needs one has
   * ended.
   */
  damaged: string[];
  /** Number of objects that are not Nightjar's. */
  foreign: number;
}

/**
 * Compare the bucket with the catalog, and repair what can be repaired. Nothing is ever deleted here.
 *
 * @param now ms
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function reconcile(context: Context, now: number): Promise<Reconciled> {
  const { catalog, bucket, proofs } = context;
  const interrupted = (await allUploads(catalog)).map(({ database }) => database);
  for (const name of new Set(interrupted)) await recoverUploads(context, name, "");
  const result: Reconciled = {
    ...{ entered: [], missing: [], verifying: [] },
    ...{ orphans: [], damaged: [], foreign: 0 },
  };

  const known = await allForReconciling(catalog);
  const ids = new Set(known.map(({ id }) => id));
  const busy = new Set((await allUploads(catalog)).map(({ key }) => key));
  const inBucket = new Set<string>();
  const strangers = new Map<string, string[]>(); // keys of backups that the catalog does not have
  for await (const { key, uploaded } of listBackupObjects(bucket)) {
    inBucket.add(key);
    const stem = stemOf(key);
    const name = parseKey(key);
    if (name === undefined)
      result.foreign += key.startsWith(ERASURES) || key.startsWith(AUDIT) ? 0 : 1;
    else if (!ids.has(name.id) && now - uploaded.getTime() > SETTLED && !busy.has(key))
      strangers.set(stem, [...(strangers.get(stem) ?? []), key]);
  }

  for (const keys of strangers.values()) {
    const found = sorted(keys);
    const whole = found.manifestKey !== undefined && found.bytesKey !== undefined;
    if (!whole) result.orphans.push(...[found.bytesKey, found.manifestKey].filter(isKey));
    else if (await enter(context, found)) result.entered.push(found.manifestKey!);
  }
  for (const { id, key, manifestKey, takenAt, verification } of known) {
    const gone = !inBucket.has(key) || !inBucket.has(manifestKey);
    if (gone && verification !== "corrupt") {
      await prove(context, id, "verify");
      result.missing.push(id);
    } else if (verification === null && now - takenAt > UNVERIFIED) {
      await proofs.start(id, "verify", Math.floor(now / DAY) * DAY);
      result.verifying.push(id);
    }
  }
  result.orphans.push(...(await logOrphans(context, now)));
  const { damaged } = await verifyOldestSegments(context, now);
  result.damaged.push(...damaged.map(({ key }) => key));
  const { entered, missing, verifying, orphans, foreign } = result;
  log.info("catalog-reconciled", {
    entered: entered.length,
    missing: missing.length,
    verifying: verifying.length,
    orphans: orphans.length,
    damaged: damaged.length,
    foreign,
  });
  return result;
}

async function enter(context: Context, found: Parameters<typeof enterFound>[1]): Promise<boolean> {
  try {
    return await enterFound(context, found);
  } catch (thrown) {
    log.error("manifest-not-reconciled", thrown, { key: found.manifestKey });
    return false;
  }
}

async function logOrphans({ catalog, bucket }: Context, now: number): Promise<string[]> {
  const known = await allSegmentKeys(catalog);
  const orphans: string[] = [];
  for await (const { key, uploaded } of listObjects(bucket, "log/"))
    if (parseSegmentKey(key) !== undefined && !known.has(key) && now - uploaded.getTime() > SETTLED)
      orphans.push(key);
  return orphans;
}

function isKey(key: string | undefined): key is string {
  return key !== undefined;
}
