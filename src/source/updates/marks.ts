import { fingerprint } from "../../format/bytes/hash.ts";
import type { Page } from "../../format/pages/page.ts";
import type { PageMark } from "../../model/manifest.ts";

/** Pages by which a revision is recognized. */
const MOST = 16;

/** Return the mark of a page: its number and the hash of its bytes. */
export function markOf({ pgno, data }: Page): PageMark {
  return { pgno, hash: fingerprint(data) };
}

/** Return true if the pages are those that were marked, each with the same bytes. */
export function haveMarks(pages: readonly Page[], marks: readonly PageMark[]): boolean {
  const hashes = new Map(pages.map((page) => [page.pgno, markOf(page).hash]));
  return (
    pages.length === marks.length && marks.every(({ pgno, hash }) => hashes.get(pgno) === hash)
  );
}

/**
 * Return the pages of a whole database by which its revision is recognized: the first one, and others that
 * are spread over it.
 */
export function pagesToMark(pageCount: number): ReadonlySet<number> {
  const spread = Array.from({ length: MOST }, (_, at) => 1 + Math.floor((at * pageCount) / MOST));
  return new Set(spread);
}

/**
 * Collects the marks of a revision from the pages that changed: the first page, the pages that changed last,
 * and as many of the marks before as there is room for.
 */
export class NewMarks {
  readonly #before: readonly PageMark[];
  readonly #seen = new Map<number, PageMark>();

  constructor(before: readonly PageMark[]) {
    this.#before = before;
  }

  add(page: Page): void {
    if (page.pgno === 1 || this.#seen.size < MOST - 1 || this.#seen.has(page.pgno))
      this.#seen.set(page.pgno, markOf(page));
  }

  /** @param isChanged true for every page that changed, seen here or not */
  marks(pageCount: number, isChanged: (pgno: number) => boolean): PageMark[] {
    const kept = this.#before.filter(({ pgno }) => pgno <= pageCount && !isChanged(pgno));
    return [...this.#seen.values(), ...kept].slice(0, MOST).sort((a, b) => a.pgno - b.pgno);
  }
}
