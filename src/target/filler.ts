import { lockPage } from "../format/pages/page.ts";

/** Bytes of one row at most: sqld accepts no value of 5,000,000. */
const LARGEST_ROW = 4_000_000;

/**
 * Return the bytes of the local part of a row that spills: https://sqlite.org/fileformat2.html#b_tree_pages
 */
const localPart = (pageSize: number): number => Math.floor(((pageSize - 12) * 32) / 255) - 23;

/** Return the number of overflow pages that the largest row fills. */
const mostPages = (pageSize: number): number => Math.floor(LARGEST_ROW / (pageSize - 4));

/** Return the number of spilling rows in one leaf: a cell is the local part, four numbers and its pointer. */
const rowsInLeaf = (pageSize: number): number =>
  Math.floor((pageSize - 8) / (localPart(pageSize) + 20));

/**
 * Return the number of rows, each a blob of `size` bytes, that make a database grow by about `pages` pages:
 * never by more than that, and by so few less that `exactRows` can add the rest.
 */
export function bulkRows(pageSize: number, pages: number): { count: number; size: number } {
  const most = mostPages(pageSize);
  const leaves = 1 / rowsInLeaf(pageSize) + 0.01; // of the table itself, for each row
  const count = Math.max(0, Math.floor((pages - 8) / (most + leaves)));
  return { count, size: blobOf(localPart(pageSize) + most * (pageSize - 4)) };
}

/**
 * Return the sizes of blobs that, each in a row of a new table, make a database grow by exactly so many
 * pages. Each overflow page is filled to its last byte, and the rest of each row stays in the table's only
 * leaf.
 *
 * @param before pages of the database, the new table's among them
 * @param after pages that it must have
 * @returns undefined when that cannot be done, for example because it would need a second leaf
 */
export function exactRows(
  pageSize: number,
  before: number,
  after: number,
): readonly number[] | undefined {
  const lock = lockPage(pageSize);
  // SQLite skips the lock page, which counts nevertheless; no database ends with it.
  if (after < before || after === lock) return undefined;
  let pages = after - before - (before < lock && after > lock ? 1 : 0);
  const sizes: number[] = [];
  for (const most = mostPages(pageSize); pages > 0; pages -= most)
    sizes.push(blobOf(localPart(pageSize) + Math.min(pages, most) * (pageSize - 4)));
  return sizes.length <= rowsInLeaf(pageSize) ? sizes : undefined;
}

/**
 * Return the size of the blob whose record has `payload` bytes: a header (its own length, the blob's type),
 * then the blob.
 */
function blobOf(payload: number): number {
  let type = 1;
  while (varint(2 * (payload - 1 - type) + 12) > type) type++;
  return payload - 1 - type;
}

/** Return the bytes of SQLite's variable-length integer. */
function varint(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
