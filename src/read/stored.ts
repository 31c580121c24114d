import type { Context } from "../worker/context.ts";
import { databasePages, pagesInFile } from "../format/pages/database-file.ts";
import { eraseFromDump } from "../format/dump/erase-dump.ts";
import type { Erased, Erasure } from "../format/tables/erasure.ts";
import { NightjarError } from "../errors/errors.ts";
import { verified } from "../format/bytes/hash.ts";
import { zstdDecompress } from "../format/bytes/codec.ts";
import type { Page, PageReader } from "../format/pages/page.ts";
import { log } from "../core/log.ts";
import type { Manifest } from "../model/manifest.ts";
import type { Image } from "../sqlite/engine/image.ts";
import { openErased, openImage } from "../sqlite/engine/open.ts";
import { openLog } from "../store/log-reader.ts";
import { readObject } from "../store/read.ts";
import { openSnapshot, readSnapshotFile } from "../store/snapshot-reader.ts";
import { type Moment, pagesOf } from "./moment.ts";

/**
 * Where stored content is read to leave Nightjar again, as a download or as a restore; only the stored
 * objects themselves (`db.zst`, `sql.zst`, either `.age`) are sent as they lie, by http/download.ts, and only where
 * nothing was erased since. What is encrypted leaves in that form alone. The rows of an erasure list are taken out here, of SQL: pages keep the bytes
 * of rows that are gone, and are not given then.
 */

/** What is stored: a backup, or a moment of the log. */
export type Stored = { readonly manifest: Manifest } | { readonly moment: Moment };

/**
 * Refuse what nobody here can read.
 *
 * @throws NightjarError `BACKUP_ENCRYPTED`
 */
export function refuseEncrypted(stored: Stored): void {
  if (!("manifest" in stored) || stored.manifest.encryption === undefined) return;
  throw new NightjarError("BACKUP_ENCRYPTED", `Backup ${stored.manifest.id} is encrypted.`);
}

/** The SQL text of a dump, checked against its hash before its last bytes are given. */
export async function dumpText(
  { bucket }: Context,
  manifest: Manifest,
  erasures: readonly Erasure[],
): Promise<AsyncIterable<Uint8Array>> {
  refuseEncrypted({ manifest });
  const { id, key, raw, stored } = manifest;
  const compressed = await readObject(bucket, key, undefined, stored.bytes);
  const text = verified(zstdDecompress(compressed), raw, key);
  if (erasures.length === 0) return text;
  return eraseFromDump(text, erasures, (erased) => logErased(erased, id));
}

/**
 * A snapshot or a moment as a database that SQLite reads. Frames of a snapshot have checksums of their
 * own; pages of the log have none, so that a moment's segments are read whole first.
 *
 * @throws NightjarError `ERASURE_FAILED`; as `storedPages`
 */
export async function openStored(
  context: Context,
  stored: Stored,
  erasures: readonly Erasure[],
): Promise<Image> {
  if ("moment" in stored)
    for await (const batch of pagesOf(context.bucket, stored.moment)) void batch;
  const pages = await storedPages(context, stored);
  if (erasures.length === 0) return openImage(pages);
  const { image, erased } = await openErased(pages, erasures);
  logErased(erased, "manifest" in stored ? stored.manifest.id : stored.moment.lineage);
  return image;
}

function logErased({ tables, unapplied }: Erased, from: string): void {
  log.info("rows-erased", {
    from,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    tables: tables.map(({ table }) => table).join(","),
    unapplied: unapplied.map(({ table, column }) => `${table}.${column}`).join(","),
  });
}

/** The database file of a snapshot, checked against its hash before its last bytes are given. */
export function snapshotFile({ bucket }: Context, manifest: Manifest): AsyncIterable<Uint8Array> {
  refuseEncrypted({ manifest });
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
export async function storedPages({ bucket }: Context, stored: Stored): Promise<PageReader> {
  refuseEncrypted(stored);
  return "manifest" in stored
    ? openSnapshot(bucket, stored.manifest)
    : openLog(bucket, stored.moment.chain, stored.moment);
}
