import { isInterior, isOfTable } from "../btree-kind.ts";
import { type BtreePage, FAULTS } from "./btree-page.ts";
import { PageNumbers } from "../page-numbers.ts";
import { varint, varintEnd } from "./varint.ts";

/** What a b-tree page said of itself. */
export interface BtreeNotes {
  readonly cells: number;
  /** Of interior pages: `cells` children and one more; else empty. */
  readonly children: readonly number[];
  /** Of pages of tables: each rowid of an interior page; a leaf's first and last one, if it has any. */
  readonly rowids: readonly number[];
  /** Of each row with a part outside of the page: the first page of that part, and how many it takes. */
  readonly overflows: readonly { readonly head: number; readonly length: number }[];
}

/** A page that cannot be of a b-tree. */
export const NO_BTREE = 0;
/** Kinds from here on are pages that look like one, with the fault whose number comes on top. */
const FAULTY = 0x40;
/** Set in the kind of a page that has overflows. */
const OVERFLOWS = 0x80;

/** Notes stand in pieces of this many bytes, so that growing neither copies nor wastes much. */
const PIECE = 1 << 18;

/**
 * Remembers of each page what it would say in each of the parts that it may turn out to play: as a page
 * of a b-tree, or as one that points to a next page. Five bytes for each page, and for those of b-trees
 * some more: 2 for an index's leaf, 4 to 20 for a table's leaf (its first and last rowid), in its parent
 * 4 to 13 for each child, and 8 for each row that overflows.
 */
export class PageLedger {
  /** Kinds, by page. */
  readonly #kinds = new PageNumbers(Uint8Array);
  /** Where a b-tree page's notes are; of other pages their first four bytes. */
  readonly #words = new PageNumbers(Uint32Array);
  readonly #pieces: Uint8Array[] = [];
  /** No notes of one page are longer; bytes. */
  readonly #longest: number;
  /** Where the next notes come in the last piece. */
  #at = PIECE;

  constructor(pageSize: number) {
    // Notes take nothing that does not take as much in the page, except a leaf's last rowid once more.
    this.#longest = pageSize + 64;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#kinds.bytes + this.#words.bytes + this.#pieces.length * PIECE;
  }

  /**
   * Note a page that is no b-tree page, or one with a fault (its place in FAULTS).
   *
   * @param content the page; of page 1 what comes after the database's header
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

  /** The kind of a page that can be of a b-tree, {@link NO_BTREE}, or what is wrong with the page. */
  kind(pgno: number): number | string {
    const kind = this.#kinds.get(pgno) & ~OVERFLOWS;
    return kind < FAULTY ? kind : FAULTS[kind - FAULTY]!;
  }

  /** The first four bytes of a page that is no b-tree page; undefined of one that is. */
  firstWord(pgno: number): number | undefined {
    const kind = this.#kinds.get(pgno) & ~OVERFLOWS;
    return kind === NO_BTREE || kind >= FAULTY ? this.#words.get(pgno) : undefined;
  }

  /** What a page that can be of a b-tree said. */
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

  /** The rowid of a cell, as stored in the page. */
  #putRowid(page: BtreePage, cell: number): void {
    const piece = this.#pieces.at(-1)!;
    const start = page.rowids[cell]!;
    const end = varintEnd(page.bytes, start);
    for (let at = start; at < end; at++) piece[this.#at++] = page.bytes[at]!;
  }
}
