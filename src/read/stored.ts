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
 * Reads stored content that leaves Nightjar again, as a download or a restore. Only
 * http/links/download.ts sends stored objects as they are: an encrypted one always, as it has no other
 * form; `db.zst` and `sql.zst` only if nothing was erased since, and `sql.zst` only if it is not to be
 * written anew. The rows of an erasure list are removed here, from SQL: pages keep the bytes of deleted
 * rows, and are not given out then.
 */

/** A stored backup, or a moment of the log. */
export type Stored = { readonly manifest: Manifest } | { readonly moment: Moment };

/**
 * Refuse an encrypted backup.
 *
 * @throws NightjarError `BACKUP_ENCRYPTED`
 */
export function refuseEncrypted(stored: Stored): void {
  if (!("manifest" in stored) || stored.manifest.encryption === undefined) return;
  throw new NightjarError("BACKUP_ENCRYPTED", `Backup ${stored.manifest.id} is encrypted.`);
}

/** Return the SQL text of a dump, checked against its hash before its last bytes are yielded. */
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
  const origin = manifest.method === undefined ? "server" : "nightjar";
  return eraseFromDump(text, erasures, origin, (erased) => logErased(erased, id));
}

/**
 * Open a snapshot or a moment as a database that SQLite reads. Frames of a snapshot have checksums of
 * their own; pages of the log have none, so a moment's segments are read whole first.
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

/** Return the database file of a snapshot, checked against its hash before its last bytes are yielded. */
export function snapshotFile({ bucket }: Context, manifest: Manifest): AsyncIterable<Uint8Array> {
  refuseEncrypted({ manifest });
  return verified(readSnapshotFile(bucket, manifest), manifest.raw, manifest.key);
}

/** Yield the pages of a moment as they are in a database file; their memory is reused for the next ones. */
export function momentPages({ bucket }: Context, moment: Moment): AsyncIterable<readonly Page[]> {
  return databasePages(pagesOf(bucket, moment), moment.pageSize, moment.pageCount).pages;
}

/** Yield the pages of a snapshot in the same way. */
export function snapshotPages(
  context: Context,
  manifest: Manifest,
  pageSize: number,
): AsyncIterable<readonly Page[]> {
  return pagesInFile(snapshotFile(context, manifest), pageSize);
}

/** Return a reader of the pages of a snapshot or a moment, which reads each page when it is asked for. */
export async function storedPages({ bucket }: Context, stored: Stored): Promise<PageReader> {
  refuseEncrypted(stored);
  return "manifest" in stored
    ? openSnapshot(bucket, stored.manifest)
    : openLog(bucket, stored.moment.chain, stored.moment);
}
