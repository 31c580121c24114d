import { NightjarError } from "../errors.ts";

/** What the first page of a database says (https://sqlite.org/fileformat2.html#the_database_header). */
export interface DatabaseHeader {
  pageSize: number;
  /** Pages of the database; null where the header does not vouch for its own number. */
  pageCount: number | null;
  journal: "wal" | "rollback";
}

const MAGIC = "SQLite format 3\0";
const WRITE_VERSION = 18;
const READ_VERSION = 19;
const ROLLBACK = 1;
const WAL = 2;

/** @throws NightjarError `PAGES_INVALID` when the page is not the first one of a database */
export function readDatabaseHeader(page: Uint8Array): DatabaseHeader {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  if (page.length < 100 || String.fromCharCode(...page.subarray(0, 16)) !== MAGIC)
    throw new NightjarError("PAGES_INVALID", "The first page is not the start of a database.");
  const size = view.getUint16(16);
  const vouched = view.getUint32(24) === view.getUint32(92);
  return {
    pageSize: size === 1 ? 65_536 : size,
    pageCount: vouched ? view.getUint32(28) : null,
    journal: page[READ_VERSION] === WAL ? "wal" : "rollback",
  };
}

/**
 * A copy of the first page with another journal mode: in `rollback` mode a database is one file that
 * opens anywhere, read-only places too; libSQL servers want theirs in `wal` mode.
 */
export function withJournal(page: Uint8Array, journal: DatabaseHeader["journal"]): Uint8Array {
  const copy = page.slice();
  copy[WRITE_VERSION] = copy[READ_VERSION] = journal === "wal" ? WAL : ROLLBACK;
  return copy;
}
