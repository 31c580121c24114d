import type { Deps } from "../../core/deps.ts";
import { asNightjarError, type ErrorCode, NightjarError } from "../../errors/errors.ts";
import { readDatabaseHeader } from "../../format/pages/database-header.ts";
import { PageSet } from "../../format/pages/changed/page-set.ts";
import { lockPage, type Page } from "../../format/pages/page.ts";
import type { Source } from "../../libsql/server.ts";
import type { PageMark, PageSums, UpdatesCursor } from "../../model/manifest.ts";
import type { PageEvent } from "../pages.ts";
import { markOf, pagesToMark } from "./marks.ts";
import { PAGE_SIZE, type UpdatesHead } from "./messages.ts";
import { askForUpdates, type Updates } from "./request.ts";
import { selectPages } from "./select-pages.ts";
import { groupSize, groupsOf, sumOf } from "./sums.ts";

const LOCK_PAGE = lockPage(PAGE_SIZE);
/** Pages of one request: what is held in memory, 4 MiB. */
const RANGE = 1024;
/** Tries of one request, and the first pause, ms; each pause is twice the one before. */
const TRIES = 4;
const FIRST_PAUSE = 500;
/** Errors after which the same pages are asked for again. */
const PASSING: readonly ErrorCode[] = [
  "SOURCE_UNREACHABLE",
  "SOURCE_CUT",
  "SOURCE_STALLED",
  "SOURCE_ERROR",
];

/** The newest revision of a database, whose pages are read range by range. */
export interface Newest {
  readonly head: UpdatesHead;
  /** Yields all pages in ascending order, and without a gap, a range at a time. */
  ranges(): AsyncIterable<Page[]>;
}

/**
 * Ask for the newest revision. A range that breaks off is asked for again at the same revision.
 *
 * @returns undefined if the server ignores that only a range was asked for
 * @throws NightjarError as PageSource's `pull`; `PAGES_INCOMPLETE` for a page that is left out
 */
export async function openNewest(source: Source, deps: Deps): Promise<Newest | undefined> {
  const first = await retried(deps, async () => {
    const updates = await askForUpdates(source, deps, { pages: selectPages([[1, RANGE]]) });
    try {
      refuseEmpty(updates.head);
      const range = new Range(1, RANGE, updates.head.pageCount);
      const stray = await range.fill(updates);
      return { head: updates.head, range, stray };
    } finally {
      updates.end();
    }
  });
  const { head, range, stray } = first;
  if (stray) return undefined;
  return {
    head,
    async *ranges() {
      for (let from = 1; from <= head.pageCount; from += RANGE)
        yield (from === 1 ? range : await rangeAt(source, deps, head, from)).pages();
    },
  };
}

/** Return true for a revision that is a number, as tursodb counts frames: it may come again. */
export function isCounted(revision: string): boolean {
  return /^\d+$/.test(revision);
}

/**
 * Yield the whole database at the server's newest revision, range by range in ascending order. A server that
 * ignores the selection is read in one answer, whose pages may come in any order.
 *
 * @throws NightjarError as `openNewest`
 */
export async function* wholeDatabase(
  source: Source,
  deps: Deps,
  why: string,
): AsyncIterable<PageEvent> {
  const newest = await openNewest(source, deps);
  if (newest === undefined) {
    const updates = await askForUpdates(source, deps, {});
    try {
      refuseEmpty(updates.head);
      yield* inAnyOrder(updates, why);
    } finally {
      updates.end();
    }
    return;
  }
  const { revision, pageCount } = newest.head;
  yield { kind: "base", why, pageSize: PAGE_SIZE, ascending: true, pageCount };
  const marked = pagesToMark(pageCount);
  const marks: PageMark[] = [];
  const sums = { every: groupSize(pageCount), hashes: [] as string[] };
  for await (const pages of newest.ranges()) {
    for (const page of pages) if (marked.has(page.pgno)) marks.push(markOf(page));
    if (isCounted(revision))
      for (const group of groupsOf(pages, sums.every)) sums.hashes.push(sumOf(group.pages));
    yield { kind: "pages", pages };
  }
  yield commitOf(revision, pageCount, marks, isCounted(revision) ? sums : undefined);
}

/**
 * Yield the pages of an answer that has the whole database, in any order.
 *
 * @throws NightjarError as `wholeDatabase`
 */
export async function* inAnyOrder(updates: Updates, why: string): AsyncIterable<PageEvent> {
  const { revision, pageCount } = updates.head;
  const seen = new PageSet();
  const marked = pagesToMark(pageCount);
  const marks: PageMark[] = [];
  yield { kind: "base", why, pageSize: PAGE_SIZE, ascending: false };
  for await (const pages of updates.pages()) {
    for (const page of pages) {
      takeOnce(page, seen, pageCount);
      if (marked.has(page.pgno)) marks.push(markOf(page));
    }
    yield { kind: "pages", pages };
  }
  refuseIncomplete(seen, 1, pageCount, pageCount);
  marks.sort((a, b) => a.pgno - b.pgno);
  yield commitOf(revision, pageCount, marks);
}

/**
 * Enter a page that came in `seen`.
 *
 * @throws NightjarError `PAGES_INVALID` for one that came before or cannot be; as `readDatabaseHeader`
 */
export function takeOnce(page: Page, seen: PageSet, pageCount: number): void {
  const { pgno, data } = page;
  const refuse = (why: string) => {
    throw new NightjarError("PAGES_INVALID", `The server sent page ${pgno} ${why}.`);
  };
  if (data.length !== PAGE_SIZE) refuse(`with ${data.length} bytes`);
  if (pgno > pageCount) refuse(`of a database of ${pageCount} pages`);
  if (seen.has(pgno)) refuse("twice");
  seen.add(pgno);
  if (pgno !== 1) return;
  const header = readDatabaseHeader(data);
  if (header.pageSize !== PAGE_SIZE || (header.pageCount ?? pageCount) !== pageCount)
    refuse(
      `for a database of ${header.pageCount} pages of ${header.pageSize} bytes, and tells of ${pageCount} pages`,
    );
}

/** Return the first page from `first` to `last` that did not come; undefined if all of them did. */
export function firstMissing(seen: PageSet, first: number, last: number): number | undefined {
  for (let pgno = first; pgno <= last; pgno++)
    if (pgno !== LOCK_PAGE && !seen.has(pgno)) return pgno;
  return undefined;
}

/** Refuse a whole database without one of its pages. @throws NightjarError `PAGES_INCOMPLETE` */
function refuseIncomplete(seen: PageSet, first: number, last: number, pageCount: number): void {
  const missing = firstMissing(seen, first, last);
  if (missing === undefined) return;
  throw new NightjarError(
    "PAGES_INCOMPLETE",
    `The server left out page ${missing} of ${pageCount}: perhaps it gives only what was written since its last checkpoint.`,
  );
}

export function commitOf(
  revision: string,
  pageCount: number,
  marks: readonly PageMark[],
  sums?: PageSums,
): PageEvent {
  const known = { revision, pageCount, marks, ...(sums !== undefined && { sums }) };
  const cursor: UpdatesCursor = { protocol: "pull-updates", ...known };
  return { kind: "commit", pageCount, at: null, commits: 1, cursor };
}

async function rangeAt(
  source: Source,
  deps: Deps,
  head: UpdatesHead,
  from: number,
): Promise<Range> {
  const last = Math.min(from + RANGE - 1, head.pageCount);
  return retried(deps, async () => {
    const pages = selectPages([[from, last]]);
    const updates = await askForUpdates(source, deps, { at: head.revision, pages });
    try {
      refuseOtherRevision(updates.head, head.revision);
      const range = new Range(from, last, head.pageCount);
      if (await range.fill(updates))
        throw new NightjarError("PAGES_INVALID", "The server sent pages that were not asked for.");
      return range;
    } finally {
      updates.end();
    }
  });
}

/**
 * Refuse an answer about another revision than the one that was asked for. Its number of pages says nothing:
 * tursodb tells of the newest one.
 *
 * @throws NightjarError `PAGES_INVALID`
 */
export function refuseOtherRevision({ revision }: UpdatesHead, asked: string): void {
  if (revision === asked) return;
  throw new NightjarError(
    "PAGES_INVALID",
    `The server was asked for revision ${shown(asked)} and sent ${shown(revision)}.`,
  );
}

/** Return a revision for a message: it is the server's, and may be anything. */
export function shown(revision: string): string {
  return JSON.stringify(revision.slice(0, 60));
}

/** The pages of a range, gathered in ascending order. */
class Range {
  readonly #first: number;
  readonly #last: number;
  readonly #pageCount: number;
  readonly #seen = new PageSet();
  #memory = new Uint8Array();

  constructor(first: number, last: number, pageCount: number) {
    this.#first = first;
    this.#last = Math.min(last, pageCount);
    this.#pageCount = pageCount;
  }

  /**
   * Take the pages of an answer.
   *
   * @returns true if there are pages of other ranges: the server ignores the selection
   * @throws NightjarError `PAGES_INVALID`, `PAGES_INCOMPLETE` unless each page of the range came once
   */
  async fill(updates: Updates): Promise<boolean> {
    for await (const pages of updates.pages())
      for (const page of pages) {
        takeOnce(page, this.#seen, this.#pageCount);
        if (page.pgno < this.#first || page.pgno > this.#last) return true;
        if (this.#memory.length === 0)
          this.#memory = new Uint8Array((this.#last - this.#first + 1) * PAGE_SIZE);
        this.#memory.set(page.data, (page.pgno - this.#first) * PAGE_SIZE);
      }
    refuseIncomplete(this.#seen, this.#first, this.#last, this.#pageCount);
    return false;
  }

  pages(): Page[] {
    const pages: Page[] = [];
    for (const pgno of this.#seen) {
      const at = (pgno - this.#first) * PAGE_SIZE;
      if (pgno !== LOCK_PAGE) pages.push({ pgno, data: this.#memory.subarray(at, at + PAGE_SIZE) });
    }
    return pages;
  }
}

async function retried<T>(deps: Deps, action: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await action();
    } catch (thrown) {
      if (tries === TRIES || !PASSING.includes(asNightjarError(thrown).code)) throw thrown;
      await deps.sleep(FIRST_PAUSE * 2 ** (tries - 1));
    }
}

function refuseEmpty({ pageCount }: UpdatesHead): void {
  if (pageCount > 0) return;
  throw new NightjarError(
    "PAGES_INCOMPLETE",
    "The server gives no pages: nothing was written yet, or its pages are not the database.",
  );
}
