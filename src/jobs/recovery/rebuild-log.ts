import { enterRecoveredLog } from "../../catalog/recovered.ts";
import type { Lineage, Segment } from "../../catalog/lineages.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { decodeLtxHeader, HEADER_SIZE } from "../../format/ltx/header.ts";
import { log } from "../../core/log.ts";
import type { PageCursor } from "../../model/manifest.ts";
import { parsePageCursor } from "../../model/parse-page-cursor.ts";
import { parseSegment, parseSegmentDocument } from "../../model/parse-segment-note.ts";
import { chainTo } from "../../plan/log-chain.ts";
import { parseStamp } from "../../plan/stamp.ts";
import { readDocument, unsigned } from "../../store/document.ts";
import type { GuardedBucket, KnownObject } from "../../store/guarded-bucket.ts";
import { listObjects } from "../../store/list.ts";
import { readSegmentIndex } from "../../store/log-reader.ts";
import { readSpan } from "../../store/range-reader.ts";
import { noteKey, parseSegmentKey, type SegmentName } from "../../store/segment-keys.ts";
import { isOutage, type Left } from "./rebuild-left.ts";

/** An object of a log, with the note in its metadata. */
interface Stored {
  readonly name: SegmentName;
  readonly key: string;
  readonly bytes: number;
  readonly version: string;
  readonly uploaded: number;
  readonly note: Record<string, string>;
}

/** A segment that can be entered. */
interface Found {
  readonly row: Segment;
  /** The place in the source's history at which the next pull begins, if it is known. */
  readonly cursor: PageCursor | null;
  readonly object: KnownObject;
}

/**
 * Enter the page log of a database as it is in the bucket. A lineage whose place in the source's
 * history is no longer known can be read, but not continued: it has ended. Segments that are not
 * Nightjar's are left out.
 *
 * @returns the number of lineages entered, and what was left out
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function rebuildLog(
  context: Context,
  database: string,
  acceptUnsigned: boolean,
): Promise<{ lineages: number; left: Left[] }> {
  const { bucket, catalog } = context;
  const left: Left[] = [];
  const orLeft = async <T>(key: string, action: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await action();
    } catch (thrown) {
      const error = asNightjarError(thrown);
      if (isOutage(error)) throw error;
      log.error("object-not-rebuilt", error, { key });
      left.push({ key, error: error.report() });
      return undefined;
    }
  };
  const stored = await listLog(bucket, database);
  await bucket.expect(stored.map(({ key }) => key));
  const groups = [...Map.groupBy(stored, ({ name }) => name.lineage)].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  let lineages = 0;
  for (const [place, [id, objects]] of groups.entries()) {
    const following = groups[place + 1]?.[0];
    const found: Found[] = [];
    for (const object of objects) {
      const one = await orLeft(object.key, () => foundIn(bucket, object, acceptUnsigned));
      if (one !== undefined) found.push(one);
    }
    await orLeft(`log/${database}/${id}/`, async () => {
      const whole = found.length === objects.length;
      const reached = reach(found);
      if (reached === undefined) return; // its base is gone
      const lineage = await lineageOf(context, database, id, found, reached, {
        following,
        goesOn: whole && following === undefined,
      });
      const unknown: KnownObject[] = [];
      for (const { object } of found)
        if ((await bucket.known(object.key)) === undefined) unknown.push(object);
      await bucket.accept(unknown);
      const rows = found.map(({ row }) => row).filter(({ maxTxid }) => maxTxid <= reached);
      if (await enterRecoveredLog(catalog, lineage, rows)) lineages++;
    });
  }
  return { lineages, left };
}

async function listLog(bucket: R2Bucket, database: string): Promise<Stored[]> {
  const stored: Stored[] = [];
  for await (const object of listObjects(bucket, `log/${database}/`, { notes: true })) {
    const { key, size: bytes, version, uploaded, customMetadata: note = {} } = object;
    const name = parseSegmentKey(key);
    if (name === undefined) continue;
    stored.push({ name, key, bytes, version, uploaded: uploaded.getTime(), note });
  }
  return stored;
}

/**
 * Return the facts of a segment in the bucket: from the note in its metadata, from its note in an
 * object of its own, or, if that is accepted, from its own header and index.
 *
 * @throws NightjarError `OBJECT_UNSIGNED`, `OBJECT_CORRUPT`
 */
async function foundIn(
  bucket: GuardedBucket,
  object: Stored,
  acceptUnsigned: boolean,
): Promise<Found> {
  const { name, key, bytes, version, note } = object;
  const place = { ...name, key };
  if (note["segment"] === undefined) {
    const document = await readDocument(bucket, noteKey(key), { acceptUnsigned });
    if (document !== null) {
      const { segment, cursor, sha256 } = parseSegmentDocument(document, place);
      return { row: { ...segment, bytes }, cursor, object: { key, version: null, sha256, bytes } };
    }
  }
  const { sha256 } = note;
  const origin = sha256 === undefined ? "unsigned" : bucket.originOf(key, sha256, note);
  const isKnown = (await bucket.known(key))?.version === version;
  if (origin !== "ours" && !isKnown && !acceptUnsigned) throw unsigned(key, origin);
  const cursor = note["cursor"] === undefined ? null : parsePageCursor(note["cursor"], key);
  const known =
    origin === "ours"
      ? { key, version: null, sha256: sha256!, bytes }
      : { key, version, sha256: null, bytes };
  if (note["segment"] !== undefined)
    return { row: { ...parseSegment(note["segment"], place), bytes }, cursor, object: known };
  return { row: await rowOf(bucket, object), cursor, object: known };
}

/** Return the row of a segment from its own header and index. */
async function rowOf(bucket: GuardedBucket, object: Stored): Promise<Segment> {
  const { name, key, bytes, uploaded } = object;
  const header = decodeLtxHeader(await readSpan(bucket, key, 0, HEADER_SIZE, bytes));
  const { minTxid, maxTxid, timestamp: at, commit: pageCount } = header;
  if (minTxid !== name.minTxid || maxTxid !== name.maxTxid)
    throw new NightjarError("OBJECT_CORRUPT", `${key} is not the segment that its key names.`);
  const { pages } = await readSegmentIndex(bucket, { key, bytes });
  return { ...name, ...undated, key, at, pageCount, pages, bytes, createdAt: uploaded };
}

/** The facts of a segment that only a note contains, and older notes do not. */
const undated = { uncertainty: null, clockOffset: null };

/** Return the newest transaction that the segments reach without a gap; undefined without a base. */
function reach(found: readonly Found[]): number | undefined {
  const rows = found.map(({ row }) => row);
  return rows
    .map(({ maxTxid }) => maxTxid)
    .toSorted((a, b) => b - a)
    .find((txid) => chainTo(rows, txid) !== undefined);
}

async function lineageOf(
  { bucket, deps }: Context,
  database: string,
  id: string,
  found: readonly Found[],
  txid: number,
  { following, goesOn }: { following: string | undefined; goesOn: boolean },
): Promise<Lineage> {
  const rows = found.map(({ row }) => row);
  const newest = chainTo(rows, txid)!.at(-1)!;
  const cursor =
    found.find(({ row, cursor: place }) => row.maxTxid === txid && place !== null)?.cursor ?? null;
  const { pageSize } = decodeLtxHeader(
    await readSpan(bucket, newest.key, 0, HEADER_SIZE, newest.bytes),
  );
  const isOpen = goesOn && cursor !== null;
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
    endedAt: isOpen ? null : following === undefined ? deps.now() : beginningOf(following),
  };
}

/** Return the time at which a lineage began, by its name: ms. */
function beginningOf(lineage: string): number {
  return parseStamp(lineage.split("-")[0]!)!;
}
