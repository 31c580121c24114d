import { NightjarError } from "../errors.ts";
import { readDatabaseHeader } from "../format/database-header.ts";
import type { PageReader } from "../format/page.ts";
import { decodeFrameContent, decodeSeekTable, seekTableBytes } from "../format/seekable.ts";
import { type BlockCache, sharedBlocks } from "./block-cache.ts";
import { readSpan } from "./range-reader.ts";

/** A stored snapshot: its key, the bytes under it, and those of the database file. */
export interface StoredSnapshot {
  readonly key: string;
  readonly stored: { readonly bytes: number };
  readonly raw: { readonly bytes: number };
}

/**
 * The pages of a stored snapshot, each read with the frame of 256 KiB that it lies in.
 *
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function openSnapshot(
  bucket: R2Bucket,
  { key, stored, raw }: StoredSnapshot,
  cache: BlockCache = sharedBlocks,
): Promise<PageReader> {
  const tailBytes = seekTableBytes(raw.bytes);
  if (tailBytes > stored.bytes)
    throw new NightjarError("OBJECT_CORRUPT", `${key} is too short for its seek table.`);
  const tail = await cache.get(`${key}#table`, () =>
    readSpan(bucket, key, stored.bytes - tailBytes, tailBytes, stored.bytes),
  );
  const { offsets, frameContent, contentBytes } = decodeSeekTable(tail, stored.bytes);
  if (contentBytes !== raw.bytes)
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `${key} holds ${contentBytes} of ${raw.bytes} bytes.`,
    );

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
