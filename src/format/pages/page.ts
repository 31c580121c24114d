import { copyOf } from "../bytes/bytes.ts";

/** One page of an SQLite database, numbered from 1. */
export interface Page {
  readonly pgno: number;
  readonly data: Uint8Array;
}

/** Every page of a database at one moment, by number. */
export interface PageReader {
  /** Bytes: a power of two from 512 to 65,536. */
  readonly pageSize: number;
  /** Pages 1 to this one exist. */
  readonly pageCount: number;
  /**
   * Call `use` with the page's bytes, at once if they are in memory. They are valid during the call only,
   * and must not be changed.
   *
   * @returns what `use` returns
   * @throws NightjarError `OBJECT_CORRUPT`, `OBJECT_MISSING`, `STORE_FAILED`, at once or later; what `use` throws
   */
  usePage<T>(pgno: number, use: (page: Uint8Array) => T): T | Promise<T>;
}

/** Read a page into memory of its own. */
export async function readPage(pages: PageReader, pgno: number): Promise<Uint8Array> {
  return pages.usePage(pgno, copyOf);
}

/** Return true if SQLite supports pages of this many bytes. */
export function isPageSize(bytes: number): boolean {
  return Number.isInteger(Math.log2(bytes)) && bytes >= 512 && bytes <= 65_536;
}

/** The most pages that a database can have (https://sqlite.org/limits.html). */
export const MOST_PAGES = 0xffff_fffe;

/**
 * Return the number of the lock page, which holds the byte at 1 GiB. SQLite never uses it
 * (https://sqlite.org/fileformat2.html#the_lock_byte_page).
 */
export function lockPage(pageSize: number): number {
  return 0x4000_0000 / pageSize + 1;
}
