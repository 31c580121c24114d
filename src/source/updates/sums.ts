import { Meter } from "../../format/bytes/hash.ts";
import type { Page } from "../../format/pages/page.ts";

/** Groups of a database at the most, and pages of one group at the least and at the most. */
const GROUPS = 512;
const FEWEST = 16;
const MOST = 1024;

/** Return the number of pages in a group, a power of two, for a database of `pageCount` pages. */
export function groupSize(pageCount: number): number {
  let size = FEWEST;
  while (size < MOST && size * GROUPS < pageCount) size *= 2;
  return size;
}

/**
 * Return the hash of a group's pages.
 *
 * @param pages all pages of the group, ascending
 * @returns 16 hexadecimal digits of its SHA-256
 */
export function sumOf(pages: readonly Page[]): string {
  const meter = new Meter();
  for (const { data } of pages) meter.update(data);
  return meter.digest().slice(0, 16);
}

/**
 * Split ascending pages into the groups that they belong to.
 *
 * @param pages without a gap, except for the lock page; the first one begins a group
 */
export function groupsOf(pages: readonly Page[], every: number): { at: number; pages: Page[] }[] {
  const groups = Map.groupBy(pages, ({ pgno }) => Math.floor((pgno - 1) / every));
  return [...groups].map(([at, own]) => ({ at, pages: own }));
}
