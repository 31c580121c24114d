import { copyOf } from "../../bytes/bytes.ts";
import { lockPage } from "../page.ts";

/** Types of pages in a pointer map (https://sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages). */
export const MAPPED_ROOT = 1;
export const MAPPED_FREE = 2;
export const MAPPED_OVERFLOW_HEAD = 3;
export const MAPPED_OVERFLOW_REST = 4;
export const MAPPED_CHILD = 5;

/** One byte for the type, and four for the page that points to it. */
const ENTRY = 5;
/** Page 1 has no entry: the first map is page 2. */
const FIRST_MAP = 2;

/** The pages of a database with auto_vacuum that record what points to each other page; keeps copies. */
export class PointerMap {
  readonly #maps = new Map<number, Uint8Array>();
  readonly #usable: number;
  readonly #lock: number;

  constructor(pageSize: number, usable: number) {
    this.#usable = usable;
    this.#lock = lockPage(pageSize);
  }

  /** Return true if this page is such a map. A map has room for an entry for each page up to the next map. */
  has(pgno: number): boolean {
    return pgno >= FIRST_MAP && this.#mapOf(pgno) === pgno;
  }

  add(pgno: number, page: Uint8Array): void {
    this.#maps.set(pgno, copyOf(page.subarray(0, this.#usable)));
  }

  /**
   * Check the map's entry for a page.
   *
   * @param type one of the `MAPPED_…`
   * @param from the page that points to `pgno`; maps do not record it for root pages and free ones
   * @returns what the map has instead; undefined if it agrees
   */
  contradiction(pgno: number, type: number, from: number): string | undefined {
    const map = this.#mapOf(pgno);
    const entries = this.#maps.get(map);
    if (entries === undefined) return `there is no page ${map} to map it`;
    const parent = type === MAPPED_ROOT || type === MAPPED_FREE ? 0 : from;
    const view = new DataView(entries.buffer, entries.byteOffset + ENTRY * (pgno - map - 1), ENTRY);
    if (view.getUint8(0) === type && view.getUint32(1) === parent) return undefined;
    return `the pointer map on page ${map} has type ${view.getUint8(0)} and parent ${view.getUint32(1)} for it, not ${type} and ${parent}`;
  }

  #mapOf(pgno: number): number {
    const span = Math.floor(this.#usable / ENTRY) + 1; // a map and the pages that it has entries for
    const map = pgno - ((pgno - FIRST_MAP) % span);
    return map === this.#lock ? map + 1 : map;
  }
}
