import type { Context } from "../worker/context.ts";
import { NightjarError } from "../errors/errors.ts";
import { concat } from "../format/bytes/bytes.ts";
import { gzipCompress, zstdCompress } from "../format/bytes/codec.ts";
import type { Erasure } from "../format/tables/erasure.ts";
import type { Page } from "../format/pages/page.ts";
import { EVERYTHING } from "../format/tables/selection.ts";
import { seekableCompress } from "../format/bytes/seekable.ts";
import { loadableText } from "../format/dump/loadable-dump.ts";
import { isWrittenAnew, type Manifest } from "../model/manifest.ts";
import { type Format, formatsOf, partsOf, storedForm } from "../plan/formats.ts";
import { refuseSql, writeSql } from "../sqlite/sql/write-sql.ts";
import { refuseFile } from "./erasures.ts";
import type { Moment } from "./moment.ts";
import { dumpText, momentPages, openStored, snapshotFile, type Stored } from "./stored.ts";

/** Bytes made for a download, and their number, if it is known. */
export interface Derived {
  bytes: AsyncIterable<Uint8Array>;
  length: number | undefined;
}

/**
 * Convert a stored backup to another form, without the rows of an erasure list. An error in the stored
 * bytes is thrown before the last of them is yielded.
 *
 * @throws NightjarError here or while reading: `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`,
 *   `ERASURE_APPLIES`, `ERASURE_FAILED`, `FORMAT_UNAVAILABLE`, `SCHEMA_UNSAFE`
 */
export async function deriveBackup(
  context: Context,
  manifest: Manifest,
  format: Format,
  erasures: readonly Erasure[],
): Promise<Derived> {
  const { kind, raw } = manifest;
  refuseFormat(manifest, format);
  refuseFile(erasures, format);
  const { content: wanted, coding } = partsOf(format);
  if (kind === "snapshot" && wanted === "sql")
    return sqlOf(context, { manifest }, format, erasures);
  const anew = isWrittenAnew(manifest);
  const plain =
    kind === "snapshot"
      ? snapshotFile(context, manifest)
      : anew
        ? loadableText(await dumpText(context, manifest, erasures))
        : await dumpText(context, manifest, erasures);
  const known = coding === undefined && erasures.length === 0 && !anew;
  return { bytes: coded(plain, format), length: known ? raw.bytes : undefined };
}

/**
 * Convert a moment of the log to any form, without the rows of an erasure list.
 */
export async function deriveMoment(
  context: Context,
  moment: Moment,
  format: Format,
  erasures: readonly Erasure[],
): Promise<Derived> {
  const { pageSize, pageCount } = moment;
  refuseFile(erasures, format);
  if (partsOf(format).content === "sql") return sqlOf(context, { moment }, format, erasures);
  const pages = momentPages(context, moment);
  if (format === "db.zst") return { bytes: seekableCompress(pages, () => {}), length: undefined };
  async function* file(): AsyncIterable<Uint8Array> {
    // A copy: the pages' memory is reused, and a slow client may still be reading then.
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

/**
 * Convert stored pages to SQL. Rows are erased, and what cannot be written is refused, before the first
 * byte is yielded: the result is then an error, and not half of a file.
 */
async function sqlOf(
  context: Context,
  stored: Stored,
  format: Format,
  erasures: readonly Erasure[],
): Promise<Derived> {
  const image = await openStored(context, stored, erasures);
  try {
    await refuseSql(image, EVERYTHING);
  } catch (thrown) {
    image.close();
    throw thrown;
  }
  async function* text(): AsyncIterable<Uint8Array> {
    try {
      yield* writeSql(image, partsOf(format).reader);
    } finally {
      image.close();
    }
  }
  return { bytes: coded(text(), format), length: undefined };
}
function coded(bytes: AsyncIterable<Uint8Array>, format: Format): AsyncIterable<Uint8Array> {
  const { coding } = partsOf(format);
  if (coding === "gz") return gzipCompress(bytes);
  return coding === "zst" ? zstdCompress(bytes) : bytes;
}

/**
 * Refuse a form that cannot be made of a backup: pages of a dump, and any other form of an encrypted
 * backup.
 *
 * @throws NightjarError `FORMAT_UNAVAILABLE`
 */
export function refuseFormat(
  manifest: Pick<Manifest, "kind" | "encryption"> & Partial<Pick<Manifest, "snapshot">>,
  format: string,
): asserts format is Format {
  const { kind, encryption, snapshot } = manifest;
  const known = formatsOf(storedForm(manifest));
  if (known.includes(format as Format)) return;
  const article = encryption === undefined ? `A ${kind}` : `An encrypted ${kind}`;
  const what = snapshot?.encoding === undefined ? article : `${article} in ${snapshot.encoding}`;
  throw new NightjarError(
    "FORMAT_UNAVAILABLE",
    `${what} can be downloaded as ${known.join(", ")}, not as ${format.slice(0, 20)}.`,
  );
}
