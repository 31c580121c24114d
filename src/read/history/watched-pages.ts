import { Buffer } from "node:buffer";
import { copyOf } from "../../format/bytes/bytes.ts";
import type { PageReader } from "../../format/pages/page.ts";

/**
 * Parts of page 1 that decide what SQLite reads: sizes, the schema's version and format, the encoding, and the
 * start of the schema. The other fields count transactions and free pages.
 */
const DECIDING = [
  [16, 18],
  [20, 24],
  [40, 48],
  [56, 60],
  [100, Infinity],
] as const;

/** Remembers which pages of a state were read. What was found depends on these alone. */
export class WatchedPages implements PageReader {
  readonly pageSize: number;
  readonly pageCount: number;
  /** The pages that were read, without page 1. */
  readonly seen = new Set<number>();
  #first: Uint8Array | undefined;
  readonly #pages: PageReader;

  constructor(pages: PageReader) {
    this.pageSize = pages.pageSize;
    this.pageCount = pages.pageCount;
    this.#pages = pages;
  }

  usePage<T>(pgno: number, use: (page: Uint8Array) => T): T | Promise<T> {
    if (pgno > 1) this.seen.add(pgno);
    return this.#pages.usePage(pgno, (page) => {
      if (pgno === 1) this.#first ??= copyOf(page);
      return use(page);
    });
  }

  /** Return true if another state's page 1 has SQLite read the same. */
  hasSameStart(other: Uint8Array): boolean {
    const first = this.#first;
    if (first === undefined || first.length !== other.length) return false;
    return DECIDING.every(([from, to]) =>
      Buffer.from(first.subarray(from, to)).equals(other.subarray(from, to)),
    );
  }
}
