import { copyOf } from "../../format/bytes/bytes.ts";
import type { Page } from "../../format/pages/page.ts";

const BATCH = 64;

/** Pages held until their transaction is complete: the newest version of each number. */
export class PageBuffer {
  /** Pages of complete transactions. */
  readonly #committed = new Map<number, Uint8Array>();
  /** Pages of the transaction that is being read. */
  readonly #open = new Map<number, Uint8Array>();

  add(pages: readonly Page[]): void {
    for (const { pgno, data } of pages) {
      const held = this.#open.get(pgno);
      if (held === undefined) this.#open.set(pgno, copyOf(data));
      else held.set(data);
    }
  }

  /** Complete the open transaction. */
  commit(): void {
    for (const [pgno, data] of this.#open) this.#committed.set(pgno, data);
    this.#open.clear();
  }

  get committedPages(): number {
    return this.#committed.size;
  }

  get heldPages(): number {
    return this.#committed.size + this.#open.size;
  }

  /** Remove and return the pages of complete transactions, in ascending order. */
  takeCommitted(): Page[] {
    return take(this.#committed);
  }

  /** Remove and return the pages of the open transaction, in ascending order, before it is complete. */
  takeOpen(): Page[] {
    return take(this.#open);
  }
}

function take(map: Map<number, Uint8Array>): Page[] {
  const pages = [...map].map(([pgno, data]) => ({ pgno, data })).sort((a, b) => a.pgno - b.pgno);
  map.clear();
  return pages;
}

/** Yield pages in batches, as a stream of pages does. */
export async function* inBatches(pages: readonly Page[]): AsyncIterable<readonly Page[]> {
  for (let at = 0; at < pages.length; at += BATCH) yield pages.slice(at, at + BATCH);
}
