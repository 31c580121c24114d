import { endLineage, lineagesOf, type Segment, segmentsOf } from "../../catalog/lineages.ts";
import { recordObjectChecks, segmentsToCheck } from "../../catalog/objects.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError, failAs } from "../../errors/errors.ts";
import { Meter, tap } from "../../format/bytes/hash.ts";
import { decodeLtx } from "../../format/ltx/decode.ts";
import { log } from "../../core/log.ts";
import { chainTo } from "../../plan/log-chain.ts";
import { readInSpans } from "../../store/range-reader.ts";
import { objectExists } from "../../store/read.ts";
import { DAMAGE } from "./findings.ts";
import { unneeded } from "../log/prune.ts";
import type { Left } from "../recovery/rebuild-left.ts";

/** Most that one call reads: far below a Worker's limits of requests and CPU time. */
const SEGMENTS = 300;
const BYTES = 256 * 1024 * 1024;
/** Most that a night reads. */
const NIGHT_SEGMENTS = 500;
const NIGHT_BYTES = 1024 * 1024 * 1024;

const SPAN = 2 * 1024 * 1024;

interface Place {
  readonly key: string;
  readonly bytes: number;
  readonly lineage: string;
  readonly database: string;
}

/** The results of reading segments of the page log. */
export interface LogVerified {
  segments: number;
  bytes: number;
  /** Segments that are not what was written. */
  damaged: Left[];
  /** The `after` of the next call; null if every segment was read. */
  next: string | null;
}

/**
 * Read the segments of a database's page log back, a part of them per call. A log with a damaged
 * segment that its newest state needs ends: the next backup reads the whole database.
 *
 * @param after the `next` of the previous call
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`: nothing is known then
 */
export async function verifyLog(
  context: Context,
  database: string,
  after: string = "",
): Promise<LogVerified> {
  const all: Place[] = [];
  for (const { id } of await lineagesOf(context.catalog, database))
    all.push(...(await segmentsOf(context.catalog, id)));
  const rest = all.filter(({ key }) => key > after).toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return verifySegments(context, rest, SEGMENTS, BYTES);
}

/**
 * Read back the segments of all logs that were not read for the longest time, as many as a night has
 * time for.
 *
 * @param now ms
 */
export async function verifyOldestSegments(context: Context, now: number): Promise<LogVerified> {
  const due = await segmentsToCheck(context.catalog, now, NIGHT_SEGMENTS);
  return verifySegments(context, due, NIGHT_SEGMENTS, NIGHT_BYTES);
}

async function verifySegments(
  context: Context,
  places: readonly Place[],
  mostSegments: number,
  mostBytes: number,
): Promise<LogVerified> {
  const { bucket, catalog, deps } = context;
  const result: LogVerified = { segments: 0, bytes: 0, damaged: [], next: null };
  await bucket.expect(places.slice(0, mostSegments).map(({ key }) => key));
  const read: string[] = [];
  for (const place of places) {
    if (read.length === mostSegments) break;
    if (result.bytes > 0 && result.bytes + place.bytes > mostBytes) break;
    const { key, lineage } = place;
    try {
      await verifySegment(context, place);
    } catch (thrown) {
      const error = asNightjarError(thrown);
      if (!DAMAGE.includes(error.code)) throw error;
      const segments = await segmentsOf(catalog, lineage);
      // A prune removes the object before the row, and this may be between the two.
      const isPruned = await isBeingPruned(context, segments, place);
      if (!isPruned) {
        log.error("log-damaged", error, { key, lineage });
        if (isNeeded(segments, key)) await endLineage(catalog, lineage, deps.now());
        result.damaged.push({ key, error: error.report() });
      }
    }
    read.push(key);
    result.bytes += place.bytes;
    result.next = place === places.at(-1) ? null : key;
  }
  result.segments = read.length;
  await recordObjectChecks(catalog, read, deps.now());
  return result;
}

/** Return true if a prune is removing the segment or has removed it: nothing is missing then. */
async function isBeingPruned(
  { bucket, catalog, fleet, deps }: Context,
  segments: readonly Segment[],
  { key, database, lineage }: Place,
): Promise<boolean> {
  if (!segments.some((segment) => segment.key === key)) return true;
  if (await objectExists(bucket, key)) return false;
  const logMs = (await fleet.settings(database))?.logMs;
  const own = (await lineagesOf(catalog, database)).find(({ id }) => id === lineage);
  if (logMs === undefined || own === undefined) return false;
  return unneeded(own, segments, deps.now() - logMs).some((segment) => segment.key === key);
}

/** Return true if the newest state needs a segment; others were merged into larger ones. */
function isNeeded(segments: readonly Segment[], key: string): boolean {
  const newest = Math.max(...segments.map(({ maxTxid }) => maxTxid));
  const chain = chainTo(segments, newest);
  return chain === undefined || chain.some((segment) => segment.key === key);
}

/**
 * Read a segment whole and compare it with its hash. If no hash is known, as of a segment of an older
 * Nightjar, a sound segment is accepted as it is from now on.
 */
async function verifySegment({ bucket }: Context, { key, bytes }: Place): Promise<void> {
  const meter = new Meter();
  const version = await bucket.settle(key);
  const content = tap(readInSpans(bucket, key, bytes, SPAN), (chunk) => meter.update(chunk));
  const { pages } = await decodeLtx(content);
  for await (const batch of pages) void batch; // reading to the end is what checks it
  const sha256 = meter.digest();
  const known = await bucket.known(key);
  if (known?.sha256 != null) {
    if (known.sha256 === sha256) return;
    throw new NightjarError("OBJECT_CORRUPT", `${key} does not hold what was written to it.`);
  }
  const object = await failAs("STORE_FAILED", `looking for ${key}`, () => bucket.head(key));
  if (object === null || (version !== undefined && object.version !== version))
    throw new NightjarError("OBJECT_CORRUPT", `${key} was replaced while it was read.`);
  await bucket.accept([{ key, version: object.version, sha256, bytes }]);
}
