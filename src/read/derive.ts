import type { Context } from "../worker/context.ts";
import { NightjarError } from "../errors/errors.ts";
import { concat } from "../format/bytes/bytes.ts";
import { gzipCompress, zstdCompress } from "../format/bytes/codec.ts";
import type { Erasure } from "../format/tables/erasure.ts";
import type { Page } from "../format/pages/page.ts";
import type { Choice } from "../format/rows/choice.ts";
import { seekableCompress } from "../format/bytes/seekable.ts";
import { loadableText } from "../format/dump/loadable-dump.ts";
import { isWrittenAnew, type Manifest } from "../model/manifest.ts";
import { lowerName } from "../format/tables/selection.ts";
import {
  type Format,
  formatsOf,
  isOfOneTable,
  partsOf,
  ROW_FORMATS,
  storedForm,
} from "../plan/formats.ts";
import { refuseTursoOnly, tursoOnlyIn } from "../format/tables/turso-only.ts";
import { refuseFile } from "./erasures.ts";
import { openExport } from "./export.ts";
import type { Moment } from "./moment.ts";
import { dumpText, momentPages, snapshotFile } from "./stored.ts";

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
 *   `ERASURE_APPLIES`, `ERASURE_FAILED`, `FORMAT_UNAVAILABLE`, `SCHEMA_UNSAFE`, `REQUEST_INVALID`,
 *   `QUERY_REFUSED`
 */
export async function deriveBackup(
  context: Context,
  manifest: Manifest,
  format: Format,
  erasures: readonly Erasure[],
  choice: Choice = {},
): Promise<Derived> {
  const { kind, raw } = manifest;
  refuseFormat(manifest, format);
  refuseFile(erasures, format);
  refuseChoice(kind, format, choice);
  const { content: wanted, coding } = partsOf(format);
  if (kind === "snapshot" && wanted !== "db") {
    const bytes = await openExport(context, { manifest }, format, erasures, choice);
    return { bytes: coded(bytes, format), length: undefined };
  }
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
  choice: Choice = {},
): Promise<Derived> {
  const { pageSize, pageCount } = moment;
  refuseFile(erasures, format);
  refuseChoice("snapshot", format, choice);
  if (partsOf(format).content !== "db") {
    const bytes = await openExport(context, { moment }, format, erasures, choice);
    return { bytes: coded(bytes, format), length: undefined };
  }
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

function coded(bytes: AsyncIterable<Uint8Array>, format: Format): AsyncIterable<Uint8Array> {
  const { coding } = partsOf(format);
  if (coding === "gz") return gzipCompress(bytes);
  return coding === "zst" ? zstdCompress(bytes) : bytes;
}

/**
 * Refuse a form that cannot be made of a backup: pages of a dump, any other form of an encrypted backup,
 * and SQL or rows of one that SQLite cannot open.
 *
 * @throws NightjarError `FORMAT_UNAVAILABLE`, `TURSO_ONLY`
 */
export function refuseFormat(
  manifest: Pick<Manifest, "kind" | "encryption"> &
    Partial<Pick<Manifest, "snapshot" | "warnings">>,
  format: string,
): asserts format is Format {
  const { kind, encryption, snapshot } = manifest;
  const known = formatsOf(storedForm(manifest));
  if (known.includes(format as Format)) return;
  const { warnings = [] } = manifest;
  if (formatsOf(storedForm({ ...manifest, warnings: [] })).includes(format as Format))
    refuseTursoOnly(tursoOnlyIn(warnings));
  const article = encryption === undefined ? `A ${kind}` : `An encrypted ${kind}`;
  const what = snapshot?.encoding === undefined ? article : `${article} in ${snapshot.encoding}`;
  const isRows = ROW_FORMATS.includes(format as Format) && kind === "dump";
  throw new NightjarError(
    "FORMAT_UNAVAILABLE",
    `${what} can be downloaded as ${known.join(", ")}, not as ${format.slice(0, 20)}.`,
    isRows ? { hint: OF_A_DUMP } : {},
  );
}

const OF_A_DUMP =
  "Nightjar reads rows of snapshots and moments only: get the dump with `nightjar pull` and load it with `sqlite3 -safe`, or export a backup that was made by pages.";

/**
 * Refuse a choice that a format cannot give.
 *
 * @throws NightjarError `REQUEST_INVALID`; `FORMAT_UNAVAILABLE` for a part of a dump
 */
export function refuseChoice(kind: Manifest["kind"], format: Format, choice: Choice): void {
  const { content } = partsOf(format);
  const { tables, where, only, blobs, order, sanitize } = choice;
  const refuse = (message: string): never => {
    throw new NightjarError("REQUEST_INVALID", message);
  };
  const given = Object.keys(choice);
  if (isOfOneTable(format) && new Set(tables?.map(lowerName)).size !== 1)
    refuse(`\`tables\` must name one table for ${content}.`);
  if (given.length === 0) return;
  if (content === "db")
    refuse(
      sanitize === true
        ? `sanitize: a ${format} has the pages as they are. Ask for sql, of which \`nightjar pull --sanitize\` makes a file.`
        : `${given.join(", ")}: a ${format} is whole.`,
    );
  if (kind === "dump" && sanitize === true)
    throw new NightjarError("FORMAT_UNAVAILABLE", "A dump is not given sanitized.", {
      hint: "Name a backup that was made by pages, or a moment of the page log.",
    });
  if (sanitize === true && (where ?? order) !== undefined)
    refuse("where and order look at the values as they are, which `sanitize` does not give.");
  if (kind === "dump")
    throw new NightjarError("FORMAT_UNAVAILABLE", "A dump is given as a whole.", {
      hint: OF_A_DUMP,
    });
  if (content === "sql" && (where ?? blobs ?? order) !== undefined)
    refuse("where, blobs and order are for ndjson, json, csv and parquet.");
  if (content !== "sql" && only === "schema") refuse("`only`: the schema is given as sql.");
  if (content !== "csv" && blobs !== undefined) refuse("blobs is for csv.");
}
