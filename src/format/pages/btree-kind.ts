/** Kinds of b-tree pages: their first byte (https://sqlite.org/fileformat2.html#b_tree_pages). */
export const INTERIOR_INDEX = 2;
export const INTERIOR_TABLE = 5;
export const LEAF_INDEX = 10;
export const LEAF_TABLE = 13;

/** Bytes of the database's header, which precedes the b-tree page in page 1. */
export const FILE_HEADER = 100;

export function isInterior(kind: number): boolean {
  return kind === INTERIOR_TABLE || kind === INTERIOR_INDEX;
}

/**
 * Return true if the page is of a table's tree, with rowids; false for trees of indexes and tables WITHOUT
 * ROWID.
 */
export function isOfTable(kind: number): boolean {
  return kind === INTERIOR_TABLE || kind === LEAF_TABLE;
}

export function isBtree(kind: number): boolean {
  return isInterior(kind) || kind === LEAF_TABLE || kind === LEAF_INDEX;
}
