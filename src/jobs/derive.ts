import type { Context } from "../context.ts";
import { NightjarError } from "../errors.ts";
import { concat } from "../format/bytes.ts";
import { gzipCompress, zstdCompress, zstdDecompress } from "../format/codec.ts";
import { databasePages } from "../format/database-file.ts";
import { eraseFromDump } from "../format/erase-dump.ts";
import type { Erased, Erasure } from "../format/erasure.ts";
import { verified } from "../format/hash.ts";
import type { Page, PageReader } from "../format/page.ts";
import { seekableCompress } from "../format/seekable.ts";
import { log } from "../log.ts";
import type { Manifest } from "../manifest.ts";
import { type Format, formatsOf, partsOf } from "../plan/formats.ts";
import { openErased, openImage } from "../sqlite/open.ts";
import { writeSql } from "../sqlite/write-sql.ts";
import { openLog } from "../store/log-reader.ts";
import { readObject } from "../store/read.ts";
import { openSnapshot, readSnapshotFile } from "../store/snapshot-reader.ts";
import { refuseFile } from "./erasures.ts";
import { type Moment, pagesOf } from "./log-moment.ts";

/** Bytes made for a download, and how many there will be, where that is known. */
export interface Derived {
  bytes: AsyncIterable<Uint8Array>;
  length: number | undefined;
}

/**
 * A stored backup in another form, without the rows of an erasure list. What is wrong with the stored
 * bytes shows before the last of them is given.
 *
 * @throws NightjarError here or while reading: `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function deriveBackup(
  { bucket }: Context,
  manifest: Manifest,
  format: Format,
  erasures: readonly Erasure[],
): Promise<Derived> {
  const { kind, key, raw, stored } = manifest;
  if (!formatsOf(kind).includes(format)) throw unavailable(kind, format);
  refuseFile(erasures, format);
  const { content: wanted, coding } = partsOf(format);
  if (kind === "snapshot" && wanted === "sql")
    return sqlOf(await openSnapshot(bucket, manifest), format, erasures);
  const content =
    kind === "snapshot"
      ? readSnapshotFile(bucket, manifest)
      : zstdDecompress(await readObject(bucket, key, undefined, stored.bytes));
  const plain = verified(content, raw, key);
  if (erasures.length > 0) {
    const told = (report: Erased) =>
      log.info("erased", { backup: manifest.id, ...countOf(report) });
    const bytes = coded(eraseFromDump(plain, erasures, told), format);
    return { bytes, length: undefined };
  }
  return { bytes: coded(plain, format), length: coding === undefined ? raw.bytes : undefined };
}

/**
 * A moment of the log in any form, without the rows of an erasure list.
 *
 * @throws NightjarError here or while reading: `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function deriveMoment(
  { bucket }: Context,
  moment: Moment,
  format: Format,
  erasures: readonly Erasure[],
): Promise<Derived> {
  const { pageSize, pageCount } = moment;
  refuseFile(erasures, format);
  if (partsOf(format).content === "sql")
    return sqlOf(await openLog(bucket, moment.chain, moment), format, erasures);
  const { pages } = databasePages(pagesOf(bucket, moment), pageSize, pageCount);
  if (format === "db.zst") return { bytes: seekableCompress(pages, () => {}), length: undefined };
  async function* file(): AsyncIterable<Uint8Array> {
    // A copy: the pages' memory is used again, and nobody knows when a slow client has read it.
    for await (const batch of pages) yield joined(batch, pageSize);
  }
  return { bytes: file(), length: pageSize * pageCount };
}

function joined(batch: readonly Page[], pageSize: number): Uint8Array {
  return concat(
    batch.map(({ data }) => data),
    batch.length * pageSize,
  );
}

/** The rows are erased before the first byte is given: what cannot be is an error, not half of a file. */
async function sqlOf(
  pages: PageReader,
  format: Format,
  erasures: readonly Erasure[],
): Promise<Derived> {
  const { image, erased } =
    erasures.length === 0
      ? { image: await openImage(pages), erased: undefined }
      : await openErased(pages, erasures);
  if (erased !== undefined) log.info("erased", countOf(erased));
  async function* text(): AsyncIterable<Uint8Array> {
    try {
      yield* writeSql(image, partsOf(format).reader);
    } finally {
      image.close();
    }
  }
  return { bytes: coded(text(), format), length: undefined };
}

function countOf({ tables, unapplied }: Erased) {
  return {
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    tables: tables.map(({ table }) => table).join(","),
    unapplied: unapplied.map(({ table, column }) => `${table}.${column}`).join(","),
  };
}

function coded(bytes: AsyncIterable<Uint8Array>, format: Format): AsyncIterable<Uint8Array> {
  const { coding } = partsOf(format);
  if (coding === "gz") return gzipCompress(bytes);
  return coding === "zst" ? zstdCompress(bytes) : bytes;
}

/** What cannot be made of a dump: pages. */
export function unavailable(kind: Manifest["kind"], format: string): NightjarError {
  const known = formatsOf(kind).join(", ");
  return new NightjarError(
    "FORMAT_UNAVAILABLE",
    `A ${kind} can be downloaded as ${known}, not as ${format.slice(0, 20)}.`,
  );
}
