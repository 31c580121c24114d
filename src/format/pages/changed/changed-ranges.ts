import { PageSet } from "./page-set.ts";
import { pagesOfTree, type RowidRange, type Tree } from "./tree.ts";

/** Ranges of a side at most: with more of them, the whole table is read. */
const MOST_RANGES = 50_000;

/** The rows of a table that may differ, by their rowids in each of two states; ascending. */
export interface ChangedRanges {
  readonly before: readonly RowidRange[];
  readonly after: readonly RowidRange[];
}

/**
 * Find the rows of a table that may differ between two states of one database, from interior pages alone.
 *
 * A leaf that is part of both trees and has not changed has the same rows in both. As a rowid is in a tree
 * once, these rows are equal on both sides, and only rows in other leaves need to be compared. This holds for
 * what is in the leaves: see `hasStrayOverflow`.
 *
 * @param changed all pages that differ between the states
 * @returns undefined if there are too many ranges
 * @throws NightjarError `OBJECT_CORRUPT`; the page reader's own
 */
export async function changedRanges(
  before: Tree,
  after: Tree,
  changed: PageSet,
): Promise<ChangedRanges | undefined> {
  /** Leaves of the first tree that have not changed, and are not known to be in the second one. */
  const lone = new PageSet();
  const first = new Ranges();
  let isTouched = false;
  for await (const { pgno, leaf, rowids } of pagesOfTree(before)) {
    const isChanged = changed.has(pgno);
    isTouched ||= isChanged;
    if (!leaf) continue;
    if (isChanged) first.add(rowids);
    else lone.add(pgno);
  }
  if (!isTouched && before.root === after.root) return { before: [], after: [] };

  const second = new Ranges();
  for await (const { pgno, leaf, rowids } of pagesOfTree(after)) {
    if (!leaf) continue;
    if (!changed.has(pgno) && lone.has(pgno)) lone.delete(pgno);
    else second.add(rowids);
  }
  const removed = lone.size === 0 ? first : await loneRanges(before, changed, lone);
  if (Math.max(removed.list.length, second.list.length) > MOST_RANGES) return undefined;
  return { before: removed.list, after: second.list };
}

/** Find the ranges of the leaves that changed or are no longer part of the tree. */
async function loneRanges(tree: Tree, changed: PageSet, lone: PageSet): Promise<Ranges> {
  const ranges = new Ranges();
  for await (const { pgno, leaf, rowids } of pagesOfTree(tree))
    if (leaf && (changed.has(pgno) || lone.has(pgno))) ranges.add(rowids);
  return ranges;
}

/** Return true if no page of a tree differs between two states of one database. */
export async function isSameTree(before: Tree, after: Tree, changed: PageSet): Promise<boolean> {
  if (before.root !== after.root) return false;
  for await (const { pgno } of pagesOfTree(before)) if (changed.has(pgno)) return false;
  return true;
}

/** Collects ranges in ascending order, and joins those that touch. */
class Ranges {
  readonly list: RowidRange[] = [];

  add(range: RowidRange): void {
    if (range.from > range.to) return;
    const last = this.list.at(-1);
    if (last !== undefined && last.to + 1n === range.from)
      this.list[this.list.length - 1] = { from: last.from, to: range.to };
    else if (this.list.length <= MOST_RANGES) this.list.push(range);
  }
}
