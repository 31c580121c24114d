import { NightjarError } from "../errors/errors.ts";
import { decodeLtx, decodeLtxPage } from "../format/ltx/decode.ts";
import { type LtxIndex, ltxTailSize, readLtxIndex } from "../format/ltx/index-tail.ts";
import { lockPage, type Page, type PageReader } from "../format/pages/page.ts";
import { type BlockCache, cacheName, sharedBlocks } from "./block-cache.ts";
import { readInSpans, readSpan } from "./range-reader.ts";
import type { ObjectReader } from "./read-counter.ts";

/** A segment to read: its key and its length. */
export interface StoredSegment {
  readonly key: string;
  readonly bytes: number;
}

/** A segment, with the name of this version of it in the cache. */
interface NamedSegment extends StoredSegment {
  readonly name: string;
}

/** Reads the index of a segment. */
export type IndexReader = (segment: StoredSegment) => Promise<LtxIndex>;

/** Longest index of a segment, bytes: enough for four million pages and more. */
const LONGEST_INDEX = 32 * 1024 * 1024;
const BLOCK = 256 * 1024;
/** Bytes of a segment's end that are read first: most indexes fit into them. */
const FIRST_LOOK = 64 * 1024;

/**
 * Open the database that a chain of segments makes. Each page is read from the newest segment that has
 * it, through the segments' own page indexes.
 *
 * @param chain oldest first
 * @param block bytes that are read at once: fewer where single pages are wanted
 * @param readIndex where some indexes are held already
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function openLog(
  bucket: ObjectReader,
  chain: readonly StoredSegment[],
  { pageSize, pageCount }: { pageSize: number; pageCount: number },
  cache: BlockCache = sharedBlocks,
  block = BLOCK,
  readIndex: IndexReader = (segment) => readSegmentIndex(bucket, segment),
): Promise<PageReader> {
  const newestFirst: { segment: NamedSegment; index: LtxIndex }[] = [];
  for (const { key, bytes } of chain) {
    const segment = { key, bytes, name: await cacheName(bucket, key) };
    newestFirst.unshift({ segment, index: await readIndex(segment) });
  }

  const read = async ({ key, bytes, name }: NamedSegment, offset: number, length: number) => {
    const whole = new Uint8Array(length);
    for (let at = offset; at < offset + length;) {
      const start = Math.floor(at / block) * block;
      const size = Math.min(block, bytes - start);
      const end = Math.min(start + size, offset + length);
      await cache.use(
        `${name}#${start}`,
        () => readSpan(bucket, key, start, size, bytes),
        (held) => whole.set(held.subarray(at - start, end - start), at - offset),
      );
      at = end;
    }
    return whole;
  };

  return {
    pageSize,
    pageCount,
    async usePage(pgno, use) {
      if (pgno === lockPage(pageSize)) return use(new Uint8Array(pageSize));
      for (const { segment, index } of newestFirst) {
        const place = index.find(pgno);
        if (place === undefined) continue;
        const page = decodeLtxPage(await read(segment, place.offset, place.size), pageSize);
        if (page.pgno === pgno) return use(page.data);
        throw new NightjarError(
          "OBJECT_CORRUPT",
          `${segment.key} has page ${page.pgno} for ${pgno}.`,
        );
      }
      throw new NightjarError("OBJECT_CORRUPT", `No segment of the log has page ${pgno}.`);
    },
  };
}

/**
 * Read the index of a segment, which has the places of its pages.
 *
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function readSegmentIndex(
  bucket: ObjectReader,
  { key, bytes }: StoredSegment,
): Promise<LtxIndex> {
  const look = async (length: number) => readSpan(bucket, key, bytes - length, length, bytes);
  let tail = await look(Math.min(FIRST_LOOK, bytes));
  const needed = ltxTailSize(tail, bytes);
  if (needed > bytes)
    throw new NightjarError("OBJECT_CORRUPT", `${key} is too short for its index.`);
  if (needed > LONGEST_INDEX)
    throw new NightjarError(
      "QUERY_LIMIT",
      `The index of ${key} has ${needed} bytes; a Worker holds ${LONGEST_INDEX} at the most.`,
      { hint: "Download the moment, and ask the file." },
    );
  if (needed > tail.length) tail = await look(needed);
  return readLtxIndex(tail, bytes);
}

/**
 * Read a stored segment's pages, checked to the last byte.
 *
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function* readSegment(
  bucket: ObjectReader,
  key: string,
  bytes: number,
  spanBytes: number,
): AsyncIterable<readonly Page[]> {
  const { pages } = await decodeLtx(readInSpans(bucket, key, bytes, spanBytes));
  yield* pages;
}
