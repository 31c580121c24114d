import type { Deps } from "../../core/deps.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { copyOf } from "../../format/bytes/bytes.ts";
import { PageSet } from "../../format/pages/changed/page-set.ts";
import type { Page } from "../../format/pages/page.ts";
import type { Source } from "../../libsql/server.ts";
import type { PageCursor, UpdatesCursor } from "../../model/manifest.ts";
import { FIRST_CAPTURE, type PageEvent, type PageSource } from "../pages.ts";
import { haveMarks, NewMarks } from "./marks.ts";
import type { UpdatesRequest } from "./messages.ts";
import { askForUpdates, type Updates } from "./request.ts";
import { rangesOf, rangesWithout, selectPages } from "./select-pages.ts";
import {
  commitOf,
  inAnyOrder,
  firstMissing,
  isCounted,
  openNewest,
  refuseOtherRevision,
  shown,
  takeOnce,
  wholeDatabase,
} from "./whole.ts";
import { groupsOf, sumOf } from "./sums.ts";

/**
 * Return a source of pages through `/pull-updates`, which the clients of Turso's new engine speak. A
 * revision is the server's own name for a state. A pull goes on from one only if the server still shows the
 * pages that were marked there: a name alone identifies no history. Where it is a number, all pages are read and
 * compared. It was run against Turso's own server
 * (`tursodb --sync-server`), and never against Turso Cloud.
 */
export function updatesSource(source: Source, deps: Deps): PageSource {
  return {
    protocol: "pull-updates",
    pull: (cursor, why) => pull(source, deps, cursor, why),
    readAgain: async (cursor, pgnos) =>
      cursor.protocol === "pull-updates" ? pagesAt(source, deps, cursor, pgnos) : undefined,
  };
}

async function* pull(
  source: Source,
  deps: Deps,
  cursor: PageCursor | null,
  first: string = FIRST_CAPTURE,
): AsyncIterable<PageEvent> {
  const broken = cursor === null ? first : yield* increment(source, deps, cursor);
  if (broken !== undefined) yield* wholeDatabase(source, deps, broken);
}

/** Yield what is new since `cursor`. Return why the whole database has to be read instead, if so. */
async function* increment(
  source: Source,
  deps: Deps,
  cursor: PageCursor,
): AsyncGenerator<PageEvent, string | undefined> {
  if (cursor.protocol !== "pull-updates")
    return `The last pull used another protocol (${cursor.protocol}).`;
  if (isCounted(cursor.revision)) return yield* comparison(source, deps, cursor);
  const broken = await whyNotFrom(source, deps, cursor);
  if (broken !== undefined) return broken;
  const updates = await askForUpdates(source, deps, { since: cursor.revision });
  try {
    if (updates.head.replaces) {
      yield* inAnyOrder(updates, "The server says that the whole database was replaced.");
      return undefined;
    }
    return yield* changes(source, deps, cursor, updates);
  } finally {
    updates.end();
  }
}

/**
 * Yield the groups of pages that are others than at `cursor`, by reading all pages. A revision that is a number
 * says nothing: tursodb counts the frames of its WAL, and begins again after a checkpoint. Return as `increment`
 * does.
 */
async function* comparison(
  source: Source,
  deps: Deps,
  { revision: since, pageCount: before, marks, sums }: UpdatesCursor,
): AsyncGenerator<PageEvent, string | undefined> {
  const newest = sums && (await openNewest(source, deps));
  if (newest === undefined)
    return "Revisions that are numbers may come again, and not all pages can be compared.";
  const { revision, pageCount } = newest.head;
  const { every, hashes: known } = sums!;
  const hashes: string[] = [];
  const changed = new PageSet();
  const newMarks = new NewMarks(marks);
  for await (const pages of newest.ranges())
    for (const group of groupsOf(pages, every)) {
      const sum = sumOf(group.pages);
      hashes.push(sum);
      // A new revision of the same content is a place of its own in the log.
      const isNew = group.at === 0 && (revision !== since || pageCount !== before);
      if (sum === known[group.at] && !isNew) continue;
      for (const page of group.pages) {
        changed.add(page.pgno);
        newMarks.add(page);
      }
      yield { kind: "pages", pages: group.pages };
    }
  if (changed.size === 0) return undefined;
  const isChanged = (pgno: number) => changed.has(pgno);
  yield commitOf(revision, pageCount, newMarks.marks(pageCount, isChanged), { every, hashes });
  return undefined;
}

/** Yield the pages that changed since `cursor`. Return as `increment` does. */
async function* changes(
  source: Source,
  deps: Deps,
  { revision: since, pageCount: before, marks }: UpdatesCursor,
  updates: Updates,
): AsyncGenerator<PageEvent, string | undefined> {
  const { revision, pageCount } = updates.head;
  const seen = new PageSet();
  const newMarks = new NewMarks(marks);
  for await (const pages of updates.pages()) {
    if (revision === since)
      throw new NightjarError(
        "PAGES_INVALID",
        `The server sent pages that changed, and the same revision as before: ${shown(revision)}.`,
      );
    for (const page of pages) {
      takeOnce(page, seen, pageCount);
      newMarks.add(page);
    }
    yield { kind: "pages", pages };
  }
  if (seen.size === 0) {
    if (revision === since && pageCount === before) return undefined;
    return `The server went from revision ${shown(since)} with ${before} pages to ${shown(revision)} with ${pageCount} and shows no page that changed.`;
  }
  // The new size is in the first page too, and each page that was added must have come.
  const missing =
    (pageCount === before ? undefined : firstMissing(seen, 1, 1)) ??
    firstMissing(seen, before + 1, pageCount);
  if (missing !== undefined)
    throw new NightjarError(
      "PAGES_INVALID",
      `The database went from ${before} to ${pageCount} pages, and page ${missing} did not come.`,
    );
  await refuseMore(source, deps, { since, at: revision }, seen, pageCount);
  yield commitOf(
    revision,
    pageCount,
    newMarks.marks(pageCount, (pgno) => seen.has(pgno)),
  );
  return undefined;
}

/**
 * Ask for the changes of all pages that did not come: there must be none. Only that shows that an answer was
 * whole, as the protocol has no mark of its end.
 *
 * @throws NightjarError `SOURCE_CUT` if there are; as PageSource's `pull`
 */
async function refuseMore(
  source: Source,
  deps: Deps,
  request: Required<Omit<UpdatesRequest, "pages">>,
  seen: PageSet,
  pageCount: number,
): Promise<void> {
  const others = rangesWithout(seen, pageCount);
  if (others.length === 0) return;
  const pages = selectPages(others);
  const updates = await askForUpdates(source, deps, { ...request, pages });
  try {
    refuseOtherRevision(updates.head, request.at);
    for await (const [page] of updates.pages())
      throw new NightjarError(
        "SOURCE_CUT",
        `The server's answer ended before its last page: page ${page?.pgno} changed too.`,
      );
  } finally {
    updates.end();
  }
}

/**
 * Compare the pages that were marked at `cursor` with what the server says of that revision now.
 *
 * @returns why nothing shows that its history is the one that was read; undefined if it is
 * @throws NightjarError as PageSource's `pull`
 */
async function whyNotFrom(
  source: Source,
  deps: Deps,
  cursor: UpdatesCursor,
): Promise<string | undefined> {
  const at = `revision ${shown(cursor.revision)}`;
  try {
    const found = await pagesAt(source, deps, cursor, marked(cursor));
    if (haveMarks(found, cursor.marks)) return undefined;
    return `The server shows other pages at ${at} than those that were read.`;
  } catch (thrown) {
    const { code, message, answered } = asNightjarError(thrown);
    if (code === "PAGES_INVALID") return `The server no longer shows ${at}: ${message}`;
    if (code !== "SOURCE_NOT_FOUND" && answered !== 500) throw thrown;
    await probeUpdates(source, deps); // or it answers nothing at all
    return `The server no longer shows ${at}.`;
  }
}

/**
 * Return true if the server's newest revision is that of `cursor`, and every page of the database is the one
 * that was read, as far as pages are marked. One request for the marked pages of the newest revision; none, and
 * false, where neither says enough.
 *
 * tursodb names a revision by the number of frames in its WAL, which begins again after a checkpoint: a changed
 * row was seen under the same revision with the same 16 marked pages of 42. So a revision that is a number
 * counts only if every page is marked.
 *
 * @throws NightjarError as PageSource's `pull`
 */
export async function isRevisionAt(
  source: Source,
  deps: Deps,
  cursor: UpdatesCursor,
): Promise<boolean> {
  const { revision, pageCount, marks } = cursor;
  const pgnos = marked(cursor);
  const isWhole = pgnos.length === pageCount && pgnos.every((pgno, at) => pgno === at + 1);
  if (pgnos.length === 0 || (isCounted(revision) && !isWhole)) return false;
  const updates = await askForUpdates(source, deps, { pages: selectPages(rangesOf(pgnos)) });
  try {
    const { head } = updates;
    if (head.replaces || head.revision !== revision || head.pageCount !== pageCount) return false;
    return haveMarks(await takePages(updates, pageCount, pgnos), marks);
  } finally {
    updates.end();
  }
}

function marked({ marks }: UpdatesCursor): number[] {
  return marks.map(({ pgno }) => pgno);
}

/**
 * Return some pages at a revision.
 *
 * @param pgnos ascending, each once
 * @throws NightjarError as PageSource's `pull`; `PAGES_INVALID` for an answer about another revision
 */
async function pagesAt(
  source: Source,
  deps: Deps,
  { revision, pageCount }: UpdatesCursor,
  pgnos: readonly number[],
): Promise<Page[]> {
  const pages = selectPages(rangesOf(pgnos));
  const updates = await askForUpdates(source, deps, { at: revision, pages });
  try {
    refuseOtherRevision(updates.head, revision);
    return await takePages(updates, pageCount, pgnos);
  } finally {
    updates.end();
  }
}

/**
 * Return the pages of an answer.
 *
 * @param asked the numbers of the pages that were asked for
 * @throws NightjarError as `Updates.pages` and `takeOnce`; `PAGES_INVALID` for another page
 */
async function takePages(
  updates: Updates,
  pageCount: number,
  asked: readonly number[],
): Promise<Page[]> {
  const seen = new PageSet();
  const found: Page[] = [];
  for await (const batch of updates.pages())
    for (const page of batch) {
      takeOnce(page, seen, pageCount);
      if (!asked.includes(page.pgno))
        throw new NightjarError("PAGES_INVALID", `Page ${page.pgno} was not asked for.`);
      found.push({ pgno: page.pgno, data: copyOf(page.data) });
    }
  return found;
}

/**
 * Return true if the server speaks this protocol and gives the database's first page.
 *
 * @throws NightjarError as PageSource's `pull`
 */
export async function probeUpdates(source: Source, deps: Deps): Promise<boolean> {
  const updates = await askForUpdates(source, deps, { pages: selectPages([[1, 1]]) });
  try {
    const seen = new PageSet();
    for await (const pages of updates.pages())
      for (const page of pages) takeOnce(page, seen, updates.head.pageCount);
    return seen.has(1);
  } finally {
    updates.end();
  }
}
