import { isInterior, isOfTable } from "../btree-kind.ts";
import { type BtreePage, FAULTS } from "./btree-page.ts";
import { PageNumbers } from "../page-numbers.ts";
import { varint, varintEnd } from "./varint.ts";

/** The notes about a b-tree page. */
export interface BtreeNotes {
  readonly cells: number;
  /** The children of an interior page, `cells` and one more; empty for other pages. */
  readonly children: readonly number[];
  /** The rowids of a table's page: all of an interior page; a leaf's first and last one, if it has any. */
  readonly rowids: readonly number[];
  /** For each row with a part outside of the page: the first page of that part, and its number of pages. */
  readonly overflows: readonly { readonly head: number; readonly length: number }[];
}

/** The kind of a page that cannot be part of a b-tree. */
export const NO_BTREE = 0;
/** Kinds from here on look like b-tree pages but have a fault, whose index in FAULTS is added. */
const FAULTY = 0x40;
/** Set in the kind of a page that has overflows. */
const OVERFLOWS = 0x80;

/** Notes are stored in pieces of this many bytes, so that growing neither copies nor wastes much. */
const PIECE = 1 << 18;

/**
 * Records for each page what it would mean in each of the roles that it may turn out to have: as a page of
 * a b-tree, or as one that points to a next page. It takes five bytes for each page, and some more for
 * those of b-trees: 2 for an index's leaf, 4 to 20 for a table's leaf (its first and last rowid), 4 to 13
 * for each child in its parent, and 8 for each row that overflows.
 */
export class PageLedger {
  /** Kinds, by page. */
  readonly #kinds = new PageNumbers(Uint8Array);
  /** The place of a b-tree page's notes; for other pages their first four bytes. */
  readonly #words = new PageNumbers(Uint32Array);
  readonly #pieces: Uint8Array[] = [];
  /** Upper bound for the notes of one page; bytes. */
  readonly #longest: number;
  /** The place of the next notes in the last piece. */
  #at = PIECE;

  constructor(pageSize: number) {
    // All that is noted takes as many bytes in the page, but a leaf's only rowid is noted twice.
    this.#longest = pageSize + 64;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#kinds.bytes + this.#words.bytes + this.#pieces.length * PIECE;
  }

  /**
   * Note a page that is not a b-tree page, or one with a fault (its index in FAULTS).
   *
   * @param content the page; for page 1, what comes after the database's header
   */
  addOther(pgno: number, content: Uint8Array, fault?: number): void {
    this.#kinds.set(pgno, fault === undefined ? NO_BTREE : FAULTY + fault);
    this.#words.set(pgno, new DataView(content.buffer, content.byteOffset, 4).getUint32(0));
  }

  /** Note a b-tree page. */
  add(pgno: number, page: BtreePage): void {
    if (PIECE - this.#at < this.#longest) {
      this.#pieces.push(new Uint8Array(PIECE));
      this.#at = 0;
    }
    this.#kinds.set(pgno, page.kind | (page.overflows > 0 ? OVERFLOWS : 0));
    this.#words.set(pgno, (this.#pieces.length - 1) * PIECE + this.#at);
    this.#put(page.cells, 2);
    const { kind, cells } = page;
    if (isInterior(kind))
      for (let cell = 0; cell <= cells; cell++) {
        this.#put(page.children[cell]!, 4);
        if (isOfTable(kind) && cell < cells) this.#putRowid(page, cell);
      }
    else if (isOfTable(kind) && cells > 0) {
      this.#putRowid(page, 0);
      this.#putRowid(page, cells - 1);
    }
    if (page.overflows === 0) return;
    this.#put(page.overflows, 2);
    for (let row = 0; row < page.overflows; row++) {
      this.#put(page.heads[row]!, 4);
      this.#put(page.lengths[row]!, 4);
    }
  }

  /** Return the kind of a page that can be part of a b-tree, {@link NO_BTREE}, or the page's fault. */
  kind(pgno: number): number | string {
    const kind = this.#kinds.get(pgno) & ~OVERFLOWS;
    return kind < FAULTY ? kind : FAULTS[kind - FAULTY]!;
  }

  /** Return the first four bytes of a page that is not a sound b-tree page; undefined for one that is. */
  firstWord(pgno: number): number | undefined {
    const kind = this.#kinds.get(pgno) & ~OVERFLOWS;
    return kind === NO_BTREE || kind >= FAULTY ? this.#words.get(pgno) : undefined;
  }

  /** Return the notes about a page that can be part of a b-tree. */
  notes(pgno: number): BtreeNotes {
    const kind = this.#kinds.get(pgno) & ~OVERFLOWS;
    const overflowing = (this.#kinds.get(pgno) & OVERFLOWS) !== 0;
    const bytes = this.#pieces[Math.floor(this.#words.get(pgno) / PIECE)]!;
    let at = this.#words.get(pgno) % PIECE;
    const number = (width: number): number => {
      let value = 0;
      for (const end = at + width; at < end; at++) value = value * 256 + bytes[at]!;
      return value;
    };
    const rowid = (): number => {
      const value = varint(bytes, at);
      at = varintEnd(bytes, at);
      return value;
    };
    const cells = number(2);
    const children: number[] = [];
    const rowids: number[] = [];
    if (isInterior(kind))
      for (let cell = 0; cell <= cells; cell++) {
        children.push(number(4));
        if (isOfTable(kind) && cell < cells) rowids.push(rowid());
      }
    else if (isOfTable(kind) && cells > 0) rowids.push(rowid(), rowid());
    const overflows = [];
    for (let rows = overflowing ? number(2) : 0; rows > 0; rows--)
      overflows.push({ head: number(4), length: number(4) });
    return { cells, children, rowids, overflows };
  }

  #put(value: number, width: number): void {
    const piece = this.#pieces.at(-1)!;
    for (let shift = 8 * (width - 1); shift >= 0; shift -= 8) piece[this.#at++] = value >>> shift;
  }

  /** Note the rowid of a cell, as it is stored in the page. */
  #putRowid(page: BtreePage, cell: number): void {
    const piece = this.#pieces.at(-1)!;
    const start = page.rowids[cell]!;
    const end = varintEnd(page.bytes, start);
    for (let at = start; at < end; at++) piece[this.#at++] = page.bytes[at]!;
  }
}
