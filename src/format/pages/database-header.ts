import { NightjarError } from "../../errors/errors.ts";
import { copyOf, encode, startsWith } from "../bytes/bytes.ts";
import type { Page } from "./page.ts";

/**
 * The fields of the first 100 bytes of an SQLite database
 * (https://sqlite.org/fileformat2.html#the_database_header).
 */
export interface DatabaseHeader {
  /** Bytes. */
  readonly pageSize: number;
  /** Pages of the database; null if the field is stale, as only the file's length counts then. */
  readonly pageCount: number | null;
  readonly journal: "wal" | "rollback";
  /** The application's own number: `PRAGMA user_version`. */
  readonly userVersion: number;
  readonly encoding: Encoding;
}

/** The encoding of all text in a database. */
export type Encoding = "UTF-8" | "UTF-16le" | "UTF-16be";
const ENCODINGS: readonly Encoding[] = ["UTF-8", "UTF-16le", "UTF-16be"];

const MAGIC = encode("SQLite format 3\0");
const WRITE_VERSION = 18;
const READ_VERSION = 19;
const FRACTIONS = 21;
const ROLLBACK = 1;
const WAL = 2;
/** The first bytes of a file of Turso's engine that is encrypted with a key of the customer's. */
const ENCRYPTED = encode("Turso");
/** The version with which Turso's engine marks that it keeps newer rows in a log beside the pages (MVCC). */
const MVCC = 255;

/**
 * Read the header at the start of `page`.
 *
 * @throws NightjarError `PAGES_INVALID` when this is not an SQLite database; `SOURCE_MVCC` and
 *   `SOURCE_ENCRYPTED` when it is one of Turso's engine whose pages do not contain all of it in the clear
 */
export function readDatabaseHeader(page: Uint8Array): DatabaseHeader {
  refuseForeign(page);
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const field = view.getUint16(16);
  const pageSize = field === 1 ? 65_536 : field;
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0)
    throw new NightjarError(
      "PAGES_INVALID",
      `The database's header gives a page size of ${field}.`,
    );
  const changeCounter = view.getUint32(24);
  const versionValidFor = view.getUint32(92);
  const count = view.getUint32(28);
  return {
    pageSize,
    pageCount: versionValidFor === changeCounter && count > 0 ? count : null,
    journal: page[READ_VERSION] === WAL ? "wal" : "rollback",
    userVersion: view.getInt32(60),
    // 0 in a database that nothing was ever written to.
    encoding: ENCODINGS[view.getUint32(56) - 1] ?? "UTF-8",
  };
}

/**
 * Refuse a first page whose file SQLite could not open, or would open without the newest rows.
 */
function refuseForeign(page: Uint8Array): void {
  if (startsWith(page, ENCRYPTED))
    throw new NightjarError(
      "SOURCE_ENCRYPTED",
      'The database\'s pages are encrypted with a key that Nightjar does not have (they begin with "Turso").',
    );
  if (page.length < 100 || !startsWith(page, MAGIC))
    throw new NightjarError(
      "PAGES_INVALID",
      "What was read is no SQLite database: it does not begin as one.",
    );
  const versions = [page[WRITE_VERSION]!, page[READ_VERSION]!];
  if (versions.includes(MVCC))
    throw new NightjarError(
      "SOURCE_MVCC",
      "The database is in MVCC mode of Turso's engine: its pages hold only a part of its rows, the newer ones are in a log beside them.",
    );
  if (versions.some((version) => version !== ROLLBACK && version !== WAL))
    throw new NightjarError(
      "PAGES_INVALID",
      `The database's header gives the file format versions ${versions.join(" and ")}: SQLite knows 1 and 2.`,
    );
  const fractions = page.subarray(FRACTIONS, FRACTIONS + 3).join(", ");
  if (fractions !== "64, 32, 32")
    throw new NightjarError(
      "PAGES_INVALID",
      `The database's header gives the payload fractions ${fractions}: SQLite knows 64, 32, 32.`,
    );
}

/**
 * Refuse the first page of a database that SQLite could not open as it is; other pages pass.
 */
export function checkFirstPage({ pgno, data }: Page): void {
  if (pgno === 1) readDatabaseHeader(data);
}

/**
 * Copy the first page with another journal mode. In `rollback` mode a database is one file that opens
 * anywhere, also in read-only places. libSQL servers want theirs in `wal` mode.
 */
export function withJournal(page: Uint8Array, journal: DatabaseHeader["journal"]): Uint8Array {
  const copy = copyOf(page);
  copy[WRITE_VERSION] = copy[READ_VERSION] = journal === "wal" ? WAL : ROLLBACK;
  return copy;
}

/** Make the one page of a database in `wal` mode that nothing was ever written to, as libSQL makes it. */
export function emptyDatabase(pageSize: number): Uint8Array {
  const page = new Uint8Array(pageSize);
  const view = new DataView(page.buffer);
  page.set(MAGIC);
  view.setUint16(16, pageSize === 65_536 ? 1 : pageSize);
  page.set([WAL, WAL, 0, 64, 32, 32], WRITE_VERSION); // no bytes reserved; SQLite's fixed fractions
  view.setUint32(24, 1); // change counter
  view.setUint32(28, 1); // pages
  view.setUint32(92, 1); // the change counter that the number of pages is valid for
  view.setUint32(96, 3_046_025); // SQLite's version number
  page[100] = 13; // an empty leaf of the schema's table: its cells begin at the page's end
  view.setUint16(105, pageSize === 65_536 ? 0 : pageSize);
  return page;
}
