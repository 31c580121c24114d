import { BtreePage, FAULTS } from "../audit/btree-page.ts";
import { corrupt } from "../audit/page-use.ts";
import { exactVarint } from "../audit/varint.ts";
import { FILE_HEADER, isBtree, isInterior, isOfTable } from "../btree-kind.ts";
import type { PageReader } from "../page.ts";

/** One b-tree of a database. */
export interface Tree {
  readonly pages: PageReader;
  readonly root: number;
}

/** Rowids from one to another, both included. */
export interface RowidRange {
  readonly from: bigint;
  readonly to: bigint;
}

export const ALL_ROWIDS: RowidRange = {
  from: -0x8000_0000_0000_0000n,
  to: 0x7fff_ffff_ffff_ffffn,
};

/** A page of a b-tree. Leaves of a tree with rowids tell which rowids may be in them. */
export interface TreePage {
  readonly pgno: number;
  readonly leaf: boolean;
  readonly rowids: RowidRange;
}

/** Pages in the longest path down a tree that SQLite follows (BTCURSOR_MAX_DEPTH in its btreeInt.h). */
const DEEPEST = 20;
/** Byte of the database header with the number of bytes that each page reserves. */
const RESERVED = 20;

/** Make a reader of b-tree pages for a database. */
export async function btreeReader({ pages }: Pick<Tree, "pages">): Promise<BtreePage> {
  const reserved = await pages.usePage(1, (page) => page[RESERVED]!);
  return new BtreePage(pages.pageSize, pages.pageSize - reserved);
}

/** Return the offset at which the b-tree page starts within a page. */
export function startOf(pgno: number): number {
  return pgno === 1 ? FILE_HEADER : 0;
}

/**
 * Yield the pages of a b-tree from the left to the right, each after its parent. Only interior pages, and one
 * leaf, are read: all leaves of a tree are equally deep.
 *
 * @throws NightjarError `OBJECT_CORRUPT`; the page reader's own
 */
export async function* pagesOfTree(tree: Tree): AsyncGenerator<TreePage> {
  const reader = await btreeReader(tree);
  const depth = await depthOf(tree, reader);
  yield* descend(tree, reader, tree.root, ALL_ROWIDS, depth);
}

async function* descend(
  tree: Tree,
  reader: BtreePage,
  pgno: number,
  rowids: RowidRange,
  depth: number,
): AsyncGenerator<TreePage> {
  yield { pgno, leaf: depth === 1, rowids };
  if (depth === 1) return;
  await readBtree(tree, reader, pgno);
  if (!isInterior(reader.kind))
    throw corrupt(`Page ${pgno} is a leaf above the leaves of its tree.`);
  const children = reader.children.slice(0, reader.cells + 1);
  const last = isOfTable(reader.kind)
    ? Array.from({ length: reader.cells }, (_, at) => exactVarint(reader.bytes, reader.rowids[at]!))
    : [];
  let { from } = rowids;
  for (const [at, child] of children.entries()) {
    const to = last[at] ?? rowids.to;
    yield* descend(tree, reader, child, { from, to }, depth - 1);
    from = to + 1n;
  }
}

/** Return the number of pages from the root of a tree to each of its leaves, both included. */
async function depthOf(tree: Tree, reader: BtreePage): Promise<number> {
  let pgno = tree.root;
  for (let depth = 1; depth <= DEEPEST; depth++) {
    await readBtree(tree, reader, pgno);
    if (!isInterior(reader.kind)) return depth;
    pgno = reader.children[0]!;
  }
  throw corrupt(`The tree with the root ${tree.root} is deeper than ${DEEPEST} pages.`);
}

async function readBtree({ pages }: Tree, reader: BtreePage, pgno: number): Promise<void> {
  if (pgno < 1 || pgno > pages.pageCount)
    throw corrupt(`A tree has page ${pgno}, and the database ${pages.pageCount} pages.`);
  await pages.usePage(pgno, (page) => {
    const start = startOf(pgno);
    if (!isBtree(page[start]!)) throw corrupt(`Page ${pgno} of a tree is no page of a b-tree.`);
    const fault = reader.read(page, start);
    if (fault !== undefined) throw corrupt(`Page ${pgno}: ${FAULTS[fault]}.`);
  });
}
