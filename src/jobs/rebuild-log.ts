import { enterRecoveredLog } from "../catalog/recovered.ts";
import type { Lineage, Segment } from "../catalog/lineages.ts";
import type { Context } from "../context.ts";
import { NightjarError } from "../errors.ts";
import { decodeLtxHeader, HEADER_SIZE } from "../format/ltx/header.ts";
import type { PageCursor } from "../manifest.ts";
import { chainTo } from "../plan/log-chain.ts";
import { parseStamp } from "../plan/stamp.ts";
import { listObjects } from "../store/list.ts";
import { readSegmentIndex } from "../store/log-reader.ts";
import { readSpan } from "../store/range-reader.ts";
import { parseSegmentKey, type SegmentName } from "../store/segment-keys.ts";

/** An object of a log, with what it says of itself beside its bytes. */
interface Stored {
  readonly name: SegmentName;
  readonly key: string;
  readonly bytes: number;
  readonly uploaded: number;
  readonly note: Record<string, string>;
}

/**
 * Enter the page log of a database as it lies in the bucket. A lineage whose place in the source's
 * history is not known any more can be read, but not gone on in: it has ended.
 *
 * @returns how many lineages were entered
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`, `OBJECT_CORRUPT`
 */
export async function rebuildLog(context: Context, database: string): Promise<number> {
  const stored = await listLog(context.bucket, database);
  const lineages = [...Map.groupBy(stored, ({ name }) => name.lineage)].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  let entered = 0;
  for (const [place, [id, objects]] of lineages.entries()) {
    const following = lineages[place + 1]?.[0];
    const rows: Segment[] = [];
    for (const object of objects) rows.push(await rowOf(context.bucket, object));
    const lineage = await lineageOf(context, database, id, rows, objects, following);
    if (lineage !== undefined && (await enterRecoveredLog(context.catalog, lineage, rows)))
      entered++;
  }
  return entered;
}

async function listLog(bucket: R2Bucket, database: string): Promise<Stored[]> {
  const stored: Stored[] = [];
  for await (const object of listObjects(bucket, `log/${database}/`, { notes: true })) {
    const { key, size: bytes, uploaded, customMetadata: note = {} } = object;
    const name = parseSegmentKey(key);
    if (name !== undefined) stored.push({ name, key, bytes, uploaded: uploaded.getTime(), note });
  }
  return stored;
}

/** The row of a segment: from the note beside it, or from its own header and index. */
async function rowOf(bucket: R2Bucket, object: Stored): Promise<Segment> {
  const { name, key, bytes, uploaded, note } = object;
  if (note["segment"] !== undefined)
    return { ...undated, ...(JSON.parse(note["segment"]) as Segment), key, bytes };
  const header = decodeLtxHeader(await readSpan(bucket, key, 0, HEADER_SIZE, bytes));
  const { minTxid, maxTxid, timestamp: at, commit: pageCount } = header;
  if (minTxid !== name.minTxid || maxTxid !== name.maxTxid)
    throw new NightjarError("OBJECT_CORRUPT", `${key} is not the segment that its key names.`);
  const { pages } = await readSegmentIndex(bucket, { key, bytes });
  return { ...name, ...undated, key, at, pageCount, pages, bytes, createdAt: uploaded };
}

/** What only a note tells of a segment, and older ones do not. */
const undated = { uncertainty: null, clockOffset: null };

async function lineageOf(
  { bucket, deps }: Context,
  database: string,
  id: string,
  rows: readonly Segment[],
  objects: readonly Stored[],
  following: string | undefined,
): Promise<Lineage | undefined> {
  const txid = Math.max(...rows.map(({ maxTxid }) => maxTxid));
  const chain = chainTo(rows, txid);
  if (chain === undefined) return undefined; // its base is gone
  const newest = chain.at(-1)!;
  const note = objects.find(({ name }) => name.level === 0 && name.maxTxid === txid)?.note[
    "cursor"
  ];
  const cursor = note === undefined ? null : (JSON.parse(note) as PageCursor);
  const { pageSize } = decodeLtxHeader(
    await readSpan(bucket, newest.key, 0, HEADER_SIZE, newest.bytes),
  );
  const goesOn = following === undefined && cursor !== null;
  return {
    id,
    database,
    why: "it was found in the bucket",
    pageSize,
    pageCount: newest.pageCount,
    cursor: cursor ?? { protocol: "dbpage" },
    txid,
    beganAt: beginningOf(id),
    committedAt: newest.at,
    checkedAt: newest.at,
    endedAt: goesOn ? null : following === undefined ? deps.now() : beginningOf(following),
  };
}

/** When a lineage began, by its name: ms. */
function beginningOf(lineage: string): number {
  return parseStamp(lineage.split("-")[0]!)!;
}
