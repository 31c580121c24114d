import { isInterior, isOfTable } from "../btree-kind.ts";
import { type BtreeNotes, NO_BTREE, type PageLedger } from "./page-ledger.ts";
import type { PageUse } from "./page-use.ts";
import {
  MAPPED_CHILD,
  MAPPED_OVERFLOW_HEAD,
  MAPPED_OVERFLOW_REST,
  MAPPED_ROOT,
} from "./pointer-map.ts";
import { follows } from "./varint.ts";

/** Pages in the longest path down a tree that SQLite follows (BTCURSOR_MAX_DEPTH in its btreeInt.h). */
const DEEPEST = 20;

/** Shifts the first four bytes of a page so that the first is left, for an error message. */
const FIRST_BYTE_SHIFT = 24;

/** Checks one b-tree, and takes its pages and those of the rows that overflow them. */
export class TreeAudit {
  readonly #ledger: PageLedger;
  readonly #use: PageUse;
  readonly #user: number;
  #ofTable = false;
  #rows = 0;
  /** Pages from the root to each leaf; 0 before the first leaf. */
  #leafDepth = 0;
  /** The rowid of the interior cell passed last, from the left to the right. All later rowids are greater. */
  #lastRowid = -Infinity;

  /** @param user the tree's owner, by its place among the users of `use` */
  constructor(ledger: PageLedger, use: PageUse, user: number) {
    this.#ledger = ledger;
    this.#use = use;
    this.#user = user;
  }

  /**
   * Check the tree.
   *
   * @param ofTable true if it must be a tree with rowids, false if it must be none; undefined if either
   *   will do
   * @returns rows in the tree
   * @throws NightjarError `OBJECT_CORRUPT` naming the first page that is wrong
   */
  run(root: number, ofTable?: boolean): number {
    this.#use.take(root, { user: this.#user, from: 0, as: "its root", mapped: MAPPED_ROOT });
    this.#ofTable = ofTable ?? isOfTable(this.#kindOf(root));
    this.#page(root, 1, Infinity);
    return this.#rows;
  }

  /** @param greatest the greatest rowid that may be in or below the page */
  #page(pgno: number, depth: number, greatest: number): void {
    const kind = this.#kindOf(pgno);
    if (isOfTable(kind) !== this.#ofTable)
      throw this.#fault(
        pgno,
        this.#ofTable
          ? "it is a page of an index in a tree with rowids"
          : "it is a page with rowids in the tree of an index",
      );
    const notes = this.#ledger.notes(pgno);
    if (notes.cells === 0 && depth > 1) throw this.#fault(pgno, "it is empty, though no root");
    for (const { head, length } of notes.overflows) this.#overflow(pgno, head, length);
    if (isInterior(kind)) {
      if (!this.#ofTable) this.#rows += notes.cells; // indexes hold rows in each page
      this.#children(pgno, notes, depth, greatest);
    } else {
      this.#rows += notes.cells;
      this.#leaf(pgno, notes, depth, greatest);
    }
  }

  #children(pgno: number, notes: BtreeNotes, depth: number, greatest: number): void {
    if (depth === DEEPEST) throw this.#fault(pgno, `the tree is deeper than ${DEEPEST} pages`);
    const taker = { user: this.#user, from: pgno, as: "a child", mapped: MAPPED_CHILD };
    for (const [place, child] of notes.children.entries()) {
      const rowid = notes.rowids[place];
      this.#use.take(child, taker);
      this.#page(child, depth + 1, rowid ?? greatest);
      if (rowid !== undefined) this.#lastRowid = rowid;
    }
  }

  #leaf(pgno: number, notes: BtreeNotes, depth: number, greatest: number): void {
    if (this.#leafDepth === 0) this.#leafDepth = depth;
    if (depth !== this.#leafDepth)
      throw this.#fault(
        pgno,
        `it is a leaf ${depth} pages deep in a tree whose leaves are ${this.#leafDepth} pages deep`,
      );
    const [first, last] = notes.rowids;
    if (first === undefined || last === undefined) return;
    if (!follows(first, this.#lastRowid))
      throw this.#fault(pgno, `its rowid ${first} does not come after ${this.#lastRowid}`);
    if (last > greatest)
      throw this.#fault(
        pgno,
        `its rowid ${last} is greater than ${greatest}, the most its parent allows`,
      );
  }

  /** Follow the overflow pages of a row. There must be `length` of them. */
  #overflow(from: number, head: number, length: number): void {
    const row = `of a row on page ${from}`;
    let before = from;
    let next = head;
    for (let place = 1; place <= length; place++) {
      if (place > 1 && next === 0)
        throw this.#fault(
          before,
          `the overflow ${row} ends with it, ${place - 1} pages long and not ${length}`,
        );
      this.#use.take(next, {
        user: this.#user,
        from: before,
        as: `overflow ${row}`,
        mapped: place === 1 ? MAPPED_OVERFLOW_HEAD : MAPPED_OVERFLOW_REST,
      });
      const after = this.#ledger.firstWord(next);
      if (after === undefined)
        throw this.#fault(next, `it is a page of a b-tree where overflow ${row} should be`);
      before = next;
      next = after;
    }
    if (next !== 0)
      throw this.#fault(
        before,
        `the overflow ${row} should end with it, ${length} pages long, but goes on to page ${next}`,
      );
  }

  #kindOf(pgno: number): number {
    const kind = this.#ledger.kind(pgno);
    if (typeof kind === "string") throw this.#fault(pgno, kind);
    if (kind !== NO_BTREE) return kind;
    const type = this.#ledger.firstWord(pgno)! >>> FIRST_BYTE_SHIFT;
    throw this.#fault(pgno, `it is no page of a b-tree: its type is ${type}`);
  }

  #fault(pgno: number, problem: string): Error {
    return this.#use.fault(pgno, this.#user, problem);
  }
}
