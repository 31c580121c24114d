import { PageNumbers } from "./page-numbers.ts";
import { FILE_HEADER, INTERIOR_INDEX, isInterior, LEAF_INDEX, LEAF_TABLE } from "./btree-kind.ts";

/**
 * Counts the rows of tables while a database's pages pass by, each once and in any order, without reading
 * any of them again. Keeps about six bytes for each page.
 */
export class PageCensus {
  /** Cells of leaf pages, by page; interior pages of index trees hold rows too. */
  readonly #rows = new PageNumbers(Uint16Array);
  readonly #children = new Map<number, Uint32Array>();

  add(pgno: number, page: Uint8Array): void {
    const at = pgno === 1 ? FILE_HEADER : 0;
    const kind = page[at]!;
    const cells = (page[at + 3]! << 8) | page[at + 4]!;
    if (kind === LEAF_TABLE || kind === LEAF_INDEX) this.#rows.set(pgno, cells);
    else if (isInterior(kind)) {
      const children = childrenOf(page, at, cells);
      if (children === undefined) return; // a free or overflow page that only looks like one
      this.#children.set(pgno, children);
      if (kind === INTERIOR_INDEX) this.#rows.set(pgno, cells);
    }
  }

  /** Count the rows in the tree of a table, by its root page. Pages that no root leads to do not count. */
  rowsUnder(root: number): number {
    let rows = 0;
    const waiting = [root];
    const seen = new Set<number>(); // a damaged tree may have cycles
    for (let pgno = waiting.pop(); pgno !== undefined; pgno = waiting.pop()) {
      rows += this.#rows.get(pgno);
      const children = this.#children.get(pgno);
      if (children === undefined || seen.has(pgno)) continue;
      seen.add(pgno);
      for (const child of children) waiting.push(child);
    }
    return rows;
  }
}

/** Return the pages that an interior page points to; undefined if its pointers lead out of the page. */
function childrenOf(page: Uint8Array, at: number, cells: number): Uint32Array | undefined {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const pointers = at + 12;
  if (pointers + 2 * cells > page.length) return undefined;
  const children = new Uint32Array(cells + 1);
  for (let cell = 0; cell < cells; cell++) {
    const offset = view.getUint16(pointers + 2 * cell);
    if (offset + 4 > page.length) return undefined;
    children[cell] = view.getUint32(offset);
  }
  children[cells] = view.getUint32(at + 8);
  return children;
}
