import { NightjarError } from "../errors.ts";
import { readDatabaseHeader } from "../format/database-header.ts";
import type { PageReader } from "../format/page.ts";
import {
  decodeFrameContent,
  decodeSeekTable,
  type SeekTable,
  seekTableBytes,
} from "../format/seekable.ts";
import { type BlockCache, sharedBlocks } from "./block-cache.ts";
import { readSpan } from "./range-reader.ts";
import type { ObjectReader } from "./read-counter.ts";

/** A stored snapshot: its key, the bytes under it, and those of the database file. */
export interface StoredSnapshot {
  readonly key: string;
  readonly stored: { readonly bytes: number };
  readonly raw: { readonly bytes: number };
}

/** Bytes of frames that are read at once, about. */
const GROUP = 2 * 1024 * 1024;

/**
 * The pages of a stored snapshot, each read with the frame of 256 KiB that it lies in.
 *
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function openSnapshot(
  bucket: ObjectReader,
  snapshot: StoredSnapshot,
  cache: BlockCache = sharedBlocks,
): Promise<PageReader> {
  const { key, stored } = snapshot;
  const { offsets, frameContent, contentBytes } = await readSeekTable(bucket, snapshot, cache);
  const frame = (number: number): Promise<Uint8Array> =>
    cache.get(`${key}#${number}`, async () => {
      const offset = offsets[number]!;
      const length = offsets[number + 1]! - offset;
      const bytes = await readSpan(bucket, key, offset, length, stored.bytes);
      const expected = Math.min(frameContent, contentBytes - number * frameContent);
      return decodeFrameContent(bytes, expected);
    });

  const { pageSize } = readDatabaseHeader((await frame(0)).subarray(0, 100));
  return {
    pageSize,
    pageCount: contentBytes / pageSize,
    async readPage(pgno) {
      const at = (pgno - 1) * pageSize;
      const content = await frame(Math.floor(at / frameContent));
      return content.subarray(at % frameContent, (at % frameContent) + pageSize);
    },
  };
}

/**
 * The whole file of a stored snapshot, frame by frame: workerd's stream decompressor loses its way in
 * files of many frames, depending on where its input is cut.
 *
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function* readSnapshotFile(
  bucket: ObjectReader,
  snapshot: StoredSnapshot,
): AsyncIterable<Uint8Array> {
  const { key, stored } = snapshot;
  const { offsets, frameContent, contentBytes } = await readSeekTable(bucket, snapshot);
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
    const start = offsets[frame]!;
    for (; frame < last; frame++) {
      const bytes = group.subarray(offsets[frame]! - start, offsets[frame + 1]! - start);
      yield decodeFrameContent(bytes, Math.min(frameContent, contentBytes - frame * frameContent));
    }
  }
}

async function readSeekTable(
  bucket: ObjectReader,
  { key, stored, raw }: StoredSnapshot,
  cache?: BlockCache,
): Promise<SeekTable> {
  const tailBytes = seekTableBytes(raw.bytes);
  if (tailBytes > stored.bytes)
    throw new NightjarError("OBJECT_CORRUPT", `${key} is too short for its seek table.`);
  const load = () => readSpan(bucket, key, stored.bytes - tailBytes, tailBytes, stored.bytes);
  const tail = await (cache === undefined ? load() : cache.get(`${key}#table`, load));
  const table = decodeSeekTable(tail, stored.bytes);
  if (table.contentBytes === raw.bytes) return table;
  throw new NightjarError(
    "OBJECT_CORRUPT",
    `${key} holds ${table.contentBytes} of ${raw.bytes} bytes.`,
  );
}
