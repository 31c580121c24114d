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
   * The page's bytes, which the caller must not change.
   *
   * @throws NightjarError `OBJECT_CORRUPT`, `OBJECT_MISSING`, `STORE_FAILED`
   */
  readPage(pgno: number): Promise<Uint8Array>;
}

/**
 * SQLite never uses the page that holds the byte at 1 GiB (https://sqlite.org/fileformat2.html#the_lock_byte_page).
 */
export function lockPage(pageSize: number): number {
  return 0x4000_0000 / pageSize + 1;
}
