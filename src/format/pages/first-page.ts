/** Offsets in the database header: https://sqlite.org/fileformat2.html#the_database_header */
const JOURNAL = 18;
const CHANGE_COUNTER = 24;
const PAGE_COUNT = 28;
const SCHEMA_COOKIE = 40;
const VERSION_VALID_FOR = 92;

/**
 * Return a database's first page as another database's server can take it in place of its own: with the
 * other database's journal mode, and a schema cookie that none of its connections has seen, so that all of
 * them read the schema again.
 *
 * @param header the other database's first 100 bytes
 * @param cookie the other database's schema cookie
 */
export function firstPageFor(
  page: Uint8Array,
  pageCount: number,
  header: Uint8Array,
  cookie: number,
): Uint8Array {
  const copy = new Uint8Array(page);
  const view = new DataView(copy.buffer);
  copy.set(header.subarray(JOURNAL, JOURNAL + 2), JOURNAL);
  view.setUint32(PAGE_COUNT, pageCount);
  view.setUint32(SCHEMA_COOKIE, Math.max(view.getUint32(SCHEMA_COOKIE), cookie + 1));
  view.setUint32(VERSION_VALID_FOR, view.getUint32(CHANGE_COUNTER));
  return copy;
}

/** The fields of the header that must be alike for the pages of one database to replace another's. */
export interface PageForm {
  readonly pageSize: number;
  /** Bytes at the end of each page that SQLite does not use. */
  readonly reserved: number;
  readonly autoVacuum: boolean;
  /** 1 UTF-8, 2 UTF-16le, 3 UTF-16be; 0 if nothing was ever written. */
  readonly encoding: number;
}

export function pageFormOf(header: Uint8Array): PageForm {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const size = view.getUint16(16);
  return {
    pageSize: size === 1 ? 65_536 : size,
    reserved: header[20]!,
    autoVacuum: view.getUint32(52) !== 0,
    encoding: view.getUint32(56),
  };
}

/** Return why the pages of a database cannot replace another's; undefined if they can. */
export function misfit(stored: PageForm, target: PageForm): string | undefined {
  if (stored.pageSize !== target.pageSize)
    return `its pages have ${stored.pageSize} bytes, the target's ${target.pageSize}`;
  if (stored.reserved !== target.reserved)
    return `it reserves ${stored.reserved} bytes of each page, the target ${target.reserved}`;
  if (stored.autoVacuum || target.autoVacuum) return "auto_vacuum is on";
  if (stored.encoding > 1 || target.encoding > 1) return "its text is not UTF-8";
  return undefined;
}
