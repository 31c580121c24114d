import type { Deps } from "../../core/deps.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { startsWith } from "../../format/bytes/bytes.ts";
import { withJournal } from "../../format/pages/database-header.ts";
import { lockPage, type PageReader, readPage } from "../../format/pages/page.ts";
import type { PageCursor, SpotCheck } from "../../model/manifest.ts";
import type { PageSource } from "../../source/pages.ts";

/**
 * Read random pages again from the server, as they were at the state that was stored, and compare them with
 * the stored ones. What cannot be compared is told, and proves nothing.
 *
 * @param cursor the place in the source's history of the state that was stored; undefined if nobody knows it
 * @param open opens the stored pages; called only where there is something to compare
 * @param count pages to compare at most
 * @throws NightjarError `SOURCE_DIFFERS` for a page that is another one there; as `PageReader`
 */
export async function spotCheck(
  deps: Deps,
  source: PageSource,
  cursor: PageCursor | undefined,
  open: () => Promise<PageReader>,
  count: number,
): Promise<SpotCheck> {
  if (count === 0) return { pages: 0, why: "the configuration asks for none" };
  if (source.readAgain === undefined)
    return { pages: 0, why: `${source.protocol} does not show a state again` };
  if (cursor === undefined) return { pages: 0, why: "the log has moved on" };
  const stored = await open();
  const chosen = choose(deps, stored, count);
  let again: Awaited<ReturnType<typeof source.readAgain>>;
  try {
    again = await source.readAgain(cursor, chosen);
  } catch (thrown) {
    // The backup is whole without this; nothing is claimed of it.
    const { code, message } = asNightjarError(thrown);
    return { pages: 0, why: `${message} [${code}]` };
  }
  if (again === undefined) return { pages: 0, why: "the server has moved on" };
  const found = new Map(again.map(({ pgno, data }) => [pgno, data]));
  for (const pgno of chosen) {
    const there = found.get(pgno);
    const here = await readPage(stored, pgno);
    // A stored file is always in the rollback mode.
    const expected = there && pgno === 1 ? withJournal(there, "rollback") : there;
    if (expected?.length === here.length && startsWith(expected, here)) continue;
    throw new NightjarError(
      "SOURCE_DIFFERS",
      `Page ${pgno} of ${stored.pageCount} is not what the server gives when it is asked again.`,
    );
  }
  return { pages: chosen.length, why: null };
}

/** Choose pages at random, ascending: all of a database that has no more, else about so many. */
function choose(deps: Deps, { pageCount, pageSize }: PageReader, count: number): number[] {
  const lock = lockPage(pageSize);
  const chosen = new Set<number>();
  if (pageCount <= count) for (let pgno = 1; pgno <= pageCount; pgno++) chosen.add(pgno);
  else {
    const random = deps.randomBytes(8 * count);
    const view = new DataView(random.buffer, random.byteOffset);
    for (let at = 0; at < count; at++)
      chosen.add(Number(view.getBigUint64(8 * at) % BigInt(pageCount)) + 1);
  }
  chosen.delete(lock);
  return [...chosen].sort((a, b) => a - b);
}
