import { copyOf } from "../../bytes/bytes.ts";
import { isInterior } from "../btree-kind.ts";
import type { PageSet } from "./page-set.ts";

/**
 * Keeps interior pages of b-trees that are the same in two states of one database, so that each is read once:
 * walks down the trees of both states, and SQLite's own, need all of them.
 */
export class InteriorCache {
  readonly #changed: PageSet;
  readonly #pages = new Map<number, Uint8Array>();
  #left: number;

  /**
   * @param changed all pages that differ between the states
   * @param most bytes that are kept at most
   */
  constructor(changed: PageSet, most: number) {
    this.#changed = changed;
    this.#left = most;
  }

  get(pgno: number): Uint8Array | undefined {
    return this.#pages.get(pgno);
  }

  /** Keep a copy of a page that was read, if it is one of those and there is room. */
  offer(pgno: number, page: Uint8Array): void {
    if (!isInterior(page[0]!) || this.#changed.has(pgno) || this.#left < page.length) return;
    if (this.#pages.has(pgno)) return;
    this.#pages.set(pgno, copyOf(page));
    this.#left -= page.length;
  }
}
