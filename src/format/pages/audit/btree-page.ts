import { INTERIOR_TABLE, isInterior, isOfTable } from "../btree-kind.ts";
import { follows, varint, varintEnd } from "./varint.ts";

/** The faults that a b-tree page can have, as the end of a sentence about it. */
export const FAULTS = [
  "it has more cells than fit",
  "its cells begin within its cell pointers or beyond its end",
  "a cell pointer leads outside of the cells' place",
  "a cell runs out of the page",
  "a row's length is more than SQLite allows",
  "its rowids do not ascend",
  "its list of free blocks leads out of their place, or not upwards",
  "its cells and free blocks overlap",
  "its fragments are not as many bytes as it says",
] as const;

/** The indexes of the faults. */
const NONE = -1;
const TOO_MANY_CELLS = 0;
const CONTENT_PLACE = 1;
const CELL_POINTER = 2;
const CELL_END = 3;
const LENGTH = 4;
const ROWIDS = 5;
const FREE_BLOCKS = 6;
const OVERLAP = 7;
const FRAGMENTS = 8;

/** Bytes of the smallest cell or free block: none starts closer to the page's end. */
const SMALLEST_CELL = 4;
/** Zeros after a page's end, so that the integers of a cell at the very end can be read. */
const MARGIN = 32;
const LARGEST_ROW = 0x7fff_ffff;

/**
 * Reads b-tree pages, one after the other in the same memory, and checks each by itself: every byte between
 * the first cell and the page's end belongs to one cell, one free block or one fragment, as SQLite's own
 * integrity_check demands (https://sqlite.org/fileformat2.html#b_tree_pages).
 */
export class BtreePage {
  kind = 0;
  cells = 0;
  /** The page's bytes, with zeros after them. */
  readonly bytes: Uint8Array;
  /** The children of an interior page, `cells` and one more. */
  readonly children: Uint32Array;
  /** For table pages: the offset of each cell's rowid in `bytes`. */
  readonly rowids: Uint32Array;
  /** Rows with a part outside of the page. */
  overflows = 0;
  /** For each such row: the first page of that part, and the number of its pages. */
  readonly heads: Uint32Array;
  readonly lengths: Uint32Array;

  readonly #view: DataView;
  readonly #usable: number;
  readonly #mostCells: number;
  /** Bytes of the cell or free block that starts at an offset; all 0 between two pages. */
  readonly #sizes: Uint16Array;

  /**
   * @param pageSize bytes
   * @param usable bytes of a page without those that are reserved
   */
  constructor(pageSize: number, usable: number) {
    this.bytes = new Uint8Array(pageSize + MARGIN);
    this.#view = new DataView(this.bytes.buffer);
    this.#usable = usable;
    this.#mostCells = Math.floor((pageSize - 8) / 6); // two bytes of pointer and four of cell for each
    this.#sizes = new Uint16Array(pageSize);
    this.children = new Uint32Array(this.#mostCells + 1);
    this.rowids = new Uint32Array(this.#mostCells);
    this.heads = new Uint32Array(this.#mostCells);
    this.lengths = new Uint32Array(this.#mostCells);
  }

  /**
   * Take in a page whose first byte is that of a b-tree page. Its content is then in this object's fields
   * until the next one.
   *
   * @param start offset of the b-tree page in `page`, bytes
   * @returns the index of its fault in {@link FAULTS}, if it has one
   */
  read(page: Uint8Array, start: number): number | undefined {
    this.bytes.set(page);
    this.kind = page[start]!;
    this.cells = this.#view.getUint16(start + 3);
    this.overflows = 0;
    const fault = this.#check(start);
    if (fault === NONE) return undefined;
    this.#sizes.fill(0);
    return fault;
  }

  #check(start: number): number {
    const pointers = start + (isInterior(this.kind) ? 12 : 8);
    const content = this.#view.getUint16(start + 5) || 65_536;
    if (this.cells > this.#mostCells) return TOO_MANY_CELLS;
    if (pointers + 2 * this.cells > content || content > this.#usable) return CONTENT_PLACE;
    if (isInterior(this.kind)) this.children[this.cells] = this.#view.getUint32(start + 8);
    const fault = this.#readCells(pointers, content);
    if (fault !== NONE) return fault;
    const blocks = this.#readFreeBlocks(this.#view.getUint16(start + 1), content);
    if (blocks === undefined) return FREE_BLOCKS;
    return this.#checkCoverage(content, this.cells + blocks, this.bytes[start + 7]!);
  }

  #readCells(pointers: number, content: number): number {
    const { bytes, kind, cells, children, rowids } = this;
    const view = this.#view;
    const usable = this.#usable;
    const interior = isInterior(kind);
    const ofTable = isOfTable(kind);
    const hasRow = kind !== INTERIOR_TABLE;
    let lastRowid = -Infinity;
    for (let cell = 0; cell < cells; cell++) {
      const offset = view.getUint16(pointers + 2 * cell);
      if (offset < content || offset > usable - SMALLEST_CELL) return CELL_POINTER;
      let at = offset;
      if (interior) {
        children[cell] = view.getUint32(at);
        at += 4;
      }
      let length = 0;
      if (hasRow) {
        length = bytes[at]!;
        if (length < 0x80) at++;
        else {
          length = varint(bytes, at);
          at = varintEnd(bytes, at);
        }
      }
      if (ofTable) {
        const rowid = varint(bytes, at);
        if (!follows(rowid, lastRowid)) return ROWIDS;
        lastRowid = rowid;
        rowids[cell] = at;
        at = varintEnd(bytes, at);
      }
      if (length > LARGEST_ROW || length < 0) return LENGTH;
      const local = this.#localBytes(length);
      at += local;
      if (local < length) {
        if (at + 4 > usable) return CELL_END;
        this.heads[this.overflows] = view.getUint32(at);
        this.lengths[this.overflows++] = Math.ceil((length - local) / (usable - 4));
        at += 4;
      }
      const size = Math.max(at - offset, SMALLEST_CELL);
      if (offset + size > usable) return CELL_END;
      if (this.#sizes[offset] !== 0) return OVERLAP;
      this.#sizes[offset] = size;
    }
    return NONE;
  }

  /**
   * Return the bytes of a row that are stored in the page
   * (https://sqlite.org/fileformat2.html#cell_payload_overflow_pages).
   */
  #localBytes(length: number): number {
    const usable = this.#usable;
    const most = isOfTable(this.kind) ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
    if (length <= most) return length;
    const least = Math.floor(((usable - 12) * 32) / 255) - 23;
    const fitting = least + ((length - least) % (usable - 4));
    return fitting <= most ? fitting : least;
  }

  /**
   * Note the free blocks from the one at `first` (0: there is none), and return their number; undefined if
   * they are wrong.
   */
  #readFreeBlocks(first: number, content: number): number | undefined {
    const view = this.#view;
    let blocks = 0;
    let least = content;
    for (let at = first; at !== 0; blocks++) {
      if (at < least || at > this.#usable - SMALLEST_CELL) return undefined;
      const size = view.getUint16(at + 2);
      if (size < SMALLEST_CELL || at + size > this.#usable) return undefined;
      if (this.#sizes[at] !== 0) return undefined; // a cell begins there too
      this.#sizes[at] = size;
      least = at + size + 4; // SQLite would have merged a closer block with this one
      at = view.getUint16(at);
    }
    return blocks;
  }

  /** Go from piece to piece. Bytes between them are fragments. Of two that overlap, only one is met. */
  #checkCoverage(content: number, pieces: number, fragments: number): number {
    const sizes = this.#sizes;
    let met = 0;
    let between = 0;
    for (let at = content; at < this.#usable;) {
      const size = sizes[at]!;
      if (size === 0) {
        between++;
        at++;
      } else {
        sizes[at] = 0;
        met++;
        at += size;
      }
    }
    if (met !== pieces) return OVERLAP;
    return between === fragments ? NONE : FRAGMENTS;
  }
}
