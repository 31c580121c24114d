import {
  endLineage,
  type Lineage,
  removeLineage,
  removeSegments,
  type Segment,
  type WholeLog,
} from "../../catalog/lineages.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import { expired } from "../../plan/log-compaction.ts";
import { objectExists } from "../../store/read.ts";
import { noteKey } from "../../store/segment-keys.ts";
import { removeObjects } from "../../store/remove.ts";

/** Segments removed at a time; D1 takes at most 100 parameters a query. */
const BATCH = 90;

/**
 * Delete the segments that no moment within a log's retention needs. A base is deleted after the
 * segments that need it, and the catalog's rows last, so that the next prune finishes a killed one.
 *
 * @param logs all lineages of the database, oldest first, each with its segments
 * @param now ms
 * @throws NightjarError `CATALOG_FAILED` or `STORE_FAILED`
 */
export async function pruneLog(
  context: Context,
  { name, logMs }: Pick<DatabaseConfig, "name" | "logMs">,
  logs: readonly WholeLog[],
  now: number,
): Promise<void> {
  const { catalog, bucket } = context;
  let removed = 0;
  for (const { lineage, segments } of logs) {
    const { id, endedAt } = lineage;
    const doomed = unneeded(lineage, segments, now - logMs);
    for (let at = 0; at < doomed.length; at += BATCH) {
      const keys = doomed.slice(at, at + BATCH).map(({ key }) => key);
      await removeObjects(bucket, keys);
      await removeObjects(bucket, keys.map(noteKey));
      await removeSegments(catalog, keys);
    }
    removed += doomed.length;
    if (isOver(lineage, now - logMs)) await removeLineage(catalog, id);
    else if (endedAt === null) await endIfBaseless(context, id, segments);
  }
  if (removed > 0) log.info("log-pruned", { database: name, removed });
}

/**
 * Return the segments of a lineage that no moment from `horizon` (ms) on needs, in the order of their
 * deletion.
 */
export function unneeded(
  lineage: Lineage,
  segments: readonly Segment[],
  horizon: number,
): Segment[] {
  return isOver(lineage, horizon)
    ? segments.toSorted((a, b) => a.level - b.level)
    : expired(segments, horizon);
}

function isOver({ endedAt }: Lineage, horizon: number): boolean {
  return endedAt !== null && endedAt <= horizon;
}

/**
 * End a log whose base is missing (R2's lifecycle deletes it when the source could not be pulled for
 * long). Nothing can be restored from it; the next pull reads the whole database.
 */
async function endIfBaseless(
  { catalog, bucket, deps }: Context,
  lineage: string,
  segments: readonly Segment[],
): Promise<void> {
  const base = segments.findLast(({ minTxid }) => minTxid === 1);
  if (base !== undefined && (await objectExists(bucket, base.key))) return;
  const error = new NightjarError("OBJECT_MISSING", `The base of log ${lineage} is gone.`);
  log.error("log-ended", error, { lineage });
  await endLineage(catalog, lineage, deps.now());
}
