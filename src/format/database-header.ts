import { NightjarError } from "../errors.ts";
import { encode, startsWith } from "./bytes.ts";

/** What the first 100 bytes of an SQLite database say (https://sqlite.org/fileformat2.html#the_database_header). */
export interface DatabaseHeader {
  /** Bytes. */
  readonly pageSize: number;
  /** Pages of the database; null where the field is stale, as only the file's length counts then. */
  readonly pageCount: number | null;
  readonly journal: "wal" | "rollback";
}

const MAGIC = encode("SQLite format 3\0");
const WRITE_VERSION = 18;
const READ_VERSION = 19;
const ROLLBACK = 1;
const WAL = 2;

/**
 * Read the header at the start of `page`.
 *
 * @throws NightjarError `PAGES_INVALID` when this is no SQLite database
 */
export function readDatabaseHeader(page: Uint8Array): DatabaseHeader {
  if (page.length < 100 || !startsWith(page, MAGIC))
    throw new NightjarError("PAGES_INVALID", "What the server sent is no SQLite database.");
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
