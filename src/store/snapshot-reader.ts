import { messageOf, NightjarError } from "../errors/errors.ts";
import { free, freeing } from "../format/bytes/bytes.ts";
import { readDatabaseHeader } from "../format/pages/database-header.ts";
import type { PageReader } from "../format/pages/page.ts";
import {
  decodeFrameContent,
  decodeSeekTable,
  type SeekTable,
  seekTableBytes,
} from "../format/bytes/seekable.ts";
import { type BlockCache, cacheName, sharedBlocks } from "./block-cache.ts";
import { readSpan } from "./range-reader.ts";
import type { ObjectReader } from "./read-counter.ts";

/** A stored snapshot: its key, the number of stored bytes, and that of the database file. */
export interface StoredSnapshot {
  readonly key: string;
  readonly stored: { readonly bytes: number };
  readonly raw: { readonly bytes: number };
}

/** Bytes of frames that are read at once, approximately. */
const GROUP = 2 * 1024 * 1024;

/**
 * Open the pages of a stored snapshot. Each is read with the frame of 256 KiB that contains it.
 *
 * @param group number of frames that are read at once, for sequential readers
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function openSnapshot(
  bucket: ObjectReader,
  snapshot: StoredSnapshot,
  cache: BlockCache = sharedBlocks,
  group = 1,
): Promise<PageReader> {
  const { key, stored } = snapshot;
  const name = await cacheName(bucket, key);
  const { table } = await readSeekTable(bucket, snapshot); // not cached: a replaced object is noticed
  const { offsets, frameContent, contentBytes } = table;
  const frames = offsets.length - 1;
  const groupContent = group * frameContent;
  /** Read the content of the group of frames that begins with `first`. */
  const read = async (first: number): Promise<Uint8Array> => {
    const last = Math.min(first + group, frames);
    const start = offsets[first]!;
    const bytes = await readSpan(bucket, key, start, offsets[last]! - start, stored.bytes);
    const block = new Uint8Array(Math.min(groupContent, contentBytes - first * frameContent));
    for (let frame = first; frame < last; frame++) {
      const [from, to] = [offsets[frame]!, offsets[frame + 1]!];
      const expected = Math.min(frameContent, contentBytes - frame * frameContent);
      const part = bytes.subarray(from - start, to - start);
      const content = await decodeFrame(key, part, expected, from);
      block.set(content, (frame - first) * frameContent);
      free(content);
    }
    free(bytes);
    return block;
  };
  /** Call `use` with the content of a group; see {@link BlockCache.use}. */
  const useGroup = <T>(first: number, use: (content: Uint8Array) => T): T | Promise<T> =>
    cache.use(`${name}#${first}`, () => read(first), use);

  const { pageSize } = await useGroup(0, (content) => readDatabaseHeader(content.subarray(0, 100)));
  return {
    pageSize,
    pageCount: contentBytes / pageSize,
    usePage(pgno, use) {
      const at = (pgno - 1) * pageSize;
      return useGroup(Math.floor(at / groupContent) * group, (content) =>
        use(content.subarray(at % groupContent, (at % groupContent) + pageSize)),
      );
    },
  };
}

/**
 * Read the whole file of a stored snapshot, frame by frame: workerd's stream decompressor fails on
 * files of many frames, depending on where its input is cut. A frame is valid until the next but one is
 * asked for: then its memory is freed.
 *
 * @param watch receives every stored byte, in order, if the file is read to the end
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export function readSnapshotFile(
  bucket: ObjectReader,
  snapshot: StoredSnapshot,
  watch: (stored: Uint8Array) => void = () => {},
): AsyncIterable<Uint8Array> {
  return freeing(readFrames(bucket, snapshot, watch));
}

async function* readFrames(
  bucket: ObjectReader,
  snapshot: StoredSnapshot,
  watch: (stored: Uint8Array) => void,
): AsyncIterable<Uint8Array> {
  const { key, stored } = snapshot;
  const { table, tail } = await readSeekTable(bucket, snapshot);
  const { offsets, frameContent, contentBytes } = table;
  const frames = offsets.length - 1;
  const read = (first: number) => {
    let last = first + 1;
    while (last < frames && offsets[last + 1]! - offsets[first]! <= GROUP) last++;
    const length = offsets[last]! - offsets[first]!;
    return { last, bytes: readSpan(bucket, key, offsets[first]!, length, stored.bytes) };
  };
  let ahead = frames > 0 ? read(0) : undefined;
  for (let frame = 0; ahead !== undefined;) {
    const { last } = ahead;
    const group = await ahead.bytes;
    ahead = last < frames ? read(last) : undefined;
    ahead?.bytes.catch(() => {}); // reported where it is awaited
    watch(group);
    const start = offsets[frame]!;
    for (; frame < last; frame++) {
      const bytes = group.subarray(offsets[frame]! - start, offsets[frame + 1]! - start);
      const content = Math.min(frameContent, contentBytes - frame * frameContent);
      yield await decodeFrame(key, bytes, content, offsets[frame]!);
    }
    free(group);
  }
  watch(tail);
}

function decodeFrame(
  key: string,
  bytes: Uint8Array,
  content: number,
  offset: number,
): Promise<Uint8Array> {
  return placed(key, offset, bytes.length, () => decodeFrameContent(bytes, content));
}

/** Run an action on some bytes of an object; an error names their place. */
async function placed<T>(
  key: string,
  offset: number,
  length: number,
  action: () => T | Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `${key} is damaged between byte ${offset} and byte ${offset + length}: ${messageOf(thrown)}`,
      { cause: thrown },
    );
  }
}

async function readSeekTable(
  bucket: ObjectReader,
  { key, stored, raw }: StoredSnapshot,
): Promise<{ table: SeekTable; tail: Uint8Array }> {
  const tailBytes = seekTableBytes(raw.bytes);
  if (tailBytes > stored.bytes)
    throw new NightjarError("OBJECT_CORRUPT", `${key} is too short for its seek table.`);
  const at = stored.bytes - tailBytes;
  const tail = await readSpan(bucket, key, at, tailBytes, stored.bytes);
  const table = await placed(key, at, tailBytes, () => decodeSeekTable(tail, stored.bytes));
  if (table.contentBytes === raw.bytes) return { table, tail };
  throw new NightjarError(
    "OBJECT_CORRUPT",
    `${key} holds ${table.contentBytes} of ${raw.bytes} bytes.`,
  );
}
