import { NightjarError } from "../../errors/errors.ts";
import { lockPage, type Page } from "../../format/pages/page.ts";

/** Yield the pages, and count them as they pass. */
export async function* countPages(
  pages: AsyncIterable<readonly Page[]>,
  count: { pages: number },
): AsyncIterable<readonly Page[]> {
  for await (const batch of pages) {
    count.pages += batch.length;
    yield batch;
  }
}

/** Leave out the lock page, as LTX does; servers send it, empty, with databases of over 1 GiB. */
export async function* skipLockPage(
  pages: AsyncIterable<readonly Page[]>,
  pageSize: number,
): AsyncIterable<readonly Page[]> {
  const lock = lockPage(pageSize);
  for await (const batch of pages)
    yield batch.some(({ pgno }) => pgno === lock)
      ? batch.filter(({ pgno }) => pgno !== lock)
      : batch;
}

/**
 * Yield the pages, and check that a database that grows brings every new page: a missing one was lost
 * on the way.
 */
export async function* withoutGap(
  pages: AsyncIterable<readonly Page[]>,
  before: number,
  after: number,
  pageSize: number,
): AsyncIterable<readonly Page[]> {
  const lock = lockPage(pageSize);
  let next = before + 1;
  for await (const batch of pages) {
    for (const { pgno } of batch) {
      if (next === lock) next++;
      if (pgno < next) continue;
      if (pgno > next) break;
      next++;
    }
    yield batch;
  }
  if (next === lock) next++;
  if (next <= after)
    throw new NightjarError(
      "PAGES_INVALID",
      `The database grew from ${before} to ${after} pages, but page ${next} never came.`,
    );
}
