import type { Context } from "../context.ts";
import { databasePages, pagesInFile } from "../format/database-file.ts";
import { verified } from "../format/hash.ts";
import { zstdDecompress } from "../format/codec.ts";
import type { Page, PageReader } from "../format/page.ts";
import type { Manifest } from "../manifest.ts";
import { openLog } from "../store/log-reader.ts";
import { readObject } from "../store/read.ts";
import { openSnapshot, readSnapshotFile } from "../store/snapshot-reader.ts";
import { type Moment, pagesOf } from "./log-moment.ts";

/**
 * Where stored content is read to leave Nightjar again, as a download or as a restore; only the stored
 * objects themselves (`db.zst`, `sql.zst`) are sent as they lie, by http/download.ts. What must be left
 * out of every copy (rows that are to be forgotten) is to be taken out here.
 */

/** The SQL text of a dump, checked against its hash before its last bytes are given. */
export async function dumpText(
  { bucket }: Context,
  { key, raw, stored }: Manifest,
): Promise<AsyncIterable<Uint8Array>> {
  return verified(zstdDecompress(await readObject(bucket, key, undefined, stored.bytes)), raw, key);
}

/** The database file of a snapshot, checked against its hash before its last bytes are given. */
export function snapshotFile({ bucket }: Context, manifest: Manifest): AsyncIterable<Uint8Array> {
  return verified(readSnapshotFile(bucket, manifest), manifest.raw, manifest.key);
}

/** The pages of a moment as they stand in a file; their memory is used again for the next ones. */
export function momentPages({ bucket }: Context, moment: Moment): AsyncIterable<readonly Page[]> {
  return databasePages(pagesOf(bucket, moment), moment.pageSize, moment.pageCount).pages;
}

/** The same of a snapshot. */
export function snapshotPages(
  context: Context,
  manifest: Manifest,
  pageSize: number,
): AsyncIterable<readonly Page[]> {
  return pagesInFile(snapshotFile(context, manifest), pageSize);
}

/** The pages of a snapshot or a moment, each when it is asked for. */
export function storedPages(
  { bucket }: Context,
  stored: { manifest: Manifest } | { moment: Moment },
): Promise<PageReader> {
  return "manifest" in stored
    ? openSnapshot(bucket, stored.manifest)
    : openLog(bucket, stored.moment.chain, stored.moment);
}
