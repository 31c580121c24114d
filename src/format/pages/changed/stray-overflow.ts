import { isBtree } from "../btree-kind.ts";
import { lockPage, type PageReader } from "../page.ts";
import { PageSet } from "./page-set.ts";
import { btreeReader } from "./tree.ts";

/**
 * Below this number of pages the first byte of an overflow page, the highest of the number of the next one,
 * is less than the types of b-tree pages.
 */
const LEAST_AMBIGUOUS = 0x0200_0000;
/** Fields of the database header: the first page of the list of free pages. */
const FIRST_TRUNK = 32;

/**
 * Return true if a changed page can be the overflow of a row whose leaf has not changed: SQLite overwrites a
 * value of the same length where it lies. Changed pages are read, and the heads of the list of free pages.
 *
 * @param pages the later state
 * @param changed all pages that differ from an earlier state
 * @throws NightjarError the page reader's own
 */
export async function hasStrayOverflow(pages: PageReader, changed: PageSet): Promise<boolean> {
  if (pages.pageCount >= LEAST_AMBIGUOUS) return true;
  const stray = new PageSet();
  for (const pgno of changed) {
    if (pgno === 1 || pgno > pages.pageCount || pgno === lockPage(pages.pageSize)) continue;
    if (!isBtree(await pages.usePage(pgno, (page) => page[0]!))) stray.add(pgno);
  }
  if (stray.size > 0) await deleteFree(pages, stray);
  if (stray.size > 0) await deleteOverflowOf(pages, changed, stray);
  return stray.size > 0;
}

/** Delete the free pages from the set. */
async function deleteFree(pages: PageReader, stray: PageSet): Promise<void> {
  let trunk = await pages.usePage(1, (page) => word(page, FIRST_TRUNK));
  // A list that leads round in a circle ends, too.
  for (let left = pages.pageCount; left > 0 && trunk > 0 && trunk <= pages.pageCount; left--) {
    stray.delete(trunk);
    trunk = await pages.usePage(trunk, (page) => {
      const leaves = Math.min(word(page, 4), page.length / 4 - 2);
      for (let leaf = 0; leaf < leaves; leaf++) stray.delete(word(page, 8 + 4 * leaf));
      return word(page, 0);
    });
  }
}

/** Delete the overflow of rows in changed pages from the set, as far as it has changed from its start on. */
async function deleteOverflowOf(
  pages: PageReader,
  changed: PageSet,
  stray: PageSet,
): Promise<void> {
  const btree = await btreeReader({ pages });
  for (const pgno of changed) {
    if (pgno === 1 || pgno > pages.pageCount || stray.has(pgno)) continue;
    const isSound = await pages.usePage(
      pgno,
      (page) => isBtree(page[0]!) && btree.read(page, 0) === undefined,
    );
    if (!isSound) continue;
    for (let next of btree.heads.slice(0, btree.overflows))
      while (stray.has(next)) {
        stray.delete(next);
        next = await pages.usePage(next, (page) => word(page, 0));
      }
  }
}

function word(page: Uint8Array, at: number): number {
  return new DataView(page.buffer, page.byteOffset, page.length).getUint32(at);
}
