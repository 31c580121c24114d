import { auditFreelist } from "./audit/freelist-audit.ts";
import { type AuditHeader, auditHeader, type DatabaseSize } from "./audit/header.ts";
import { BtreePage } from "./audit/btree-page.ts";
import { PageLedger } from "./audit/page-ledger.ts";
import { corrupt, PageUse } from "./audit/page-use.ts";
import { PointerMap } from "./audit/pointer-map.ts";
import { TreeAudit } from "./audit/tree-audit.ts";
import { FILE_HEADER, isBtree } from "./btree-kind.ts";
import { lockPage } from "./page.ts";

/** An object with a b-tree, as its row in sqlite_schema names it. */
export interface Root {
  readonly name: string;
  /** The number of its root page. */
  readonly rootpage: number;
  /** "table", "view" (a materialized one) or "index", whose tree must then be one of an index. */
  readonly type?: string;
  /** For a table, `wr` of `PRAGMA table_list`. If it is unknown, either kind of tree will do. */
  readonly withoutRowid?: boolean;
}

const SCHEMA: Root = { name: "sqlite_schema", rootpage: 1, type: "table", withoutRowid: false };

/** The layout of a database, known once its header has been read. */
interface Layout {
  readonly header: AuditHeader;
  readonly btree: BtreePage;
  /** Only for databases with auto_vacuum. */
  readonly maps: PointerMap | undefined;
}

/**
 * Checks the structure of a database while its pages pass by once: that each page is used by exactly one
 * tree, row or list, that all leaves of a tree are at one depth and its rowids in order, and that each
 * b-tree page is sound in itself. That is what SQLite's integrity_check finds about pages. It does not
 * check the content of rows: the order of an index's keys, indexes that lack rows of their table, or
 * records that do not fit their own header. Rowids beyond 2^53 count as in order when a double cannot tell
 * them apart.
 *
 * Keeps some 20 bytes for each page of a table with small rows, 12 for one of an index and 5 for one that
 * holds a part of a large row (see PageLedger); 5 more with auto_vacuum, and 2 more while it finishes. So a
 * database of 10 GB in pages of 4 KiB takes up to 60 MB, or 105 MB when it is one table whose rowids all
 * need 64 bits.
 */
export class PageAudit {
  readonly #size: DatabaseSize;
  readonly #ledger: PageLedger;
  #layout: Layout | undefined;
  /** The first thing wrong with the pages as they came, as a sentence. */
  #fault: string | undefined;
  #added = 0;

  constructor(size: DatabaseSize) {
    this.#size = size;
    this.#ledger = new PageLedger(size.pageSize);
  }

  /** Bytes of memory in use for the pages seen so far, without pointer maps. */
  get memory(): number {
    return this.#ledger.bytes;
  }

  /**
   * Take in the next page: 1 to `pageCount` in ascending order, once each. The lock page may be left out,
   * as it is in logs. {@link finish} reports whatever is wrong.
   *
   * @param page its bytes, which are not used after the call
   */
  add(pgno: number, page: Uint8Array): void {
    if (this.#fault !== undefined) return;
    this.#fault = this.#misplaced(pgno, page);
    if (this.#fault !== undefined) return;
    this.#added = pgno;
    if (pgno === 1) this.#open(page);
    if (this.#layout === undefined) return;
    const { btree, maps } = this.#layout;
    if (maps?.has(pgno)) return maps.add(pgno, page);
    const content = pgno === 1 ? page.subarray(FILE_HEADER) : page;
    if (!isBtree(content[0]!)) return this.#ledger.addOther(pgno, content);
    const fault = btree.read(page, pgno === 1 ? FILE_HEADER : 0);
    if (fault === undefined) this.#ledger.add(pgno, btree);
    else this.#ledger.addOther(pgno, content, fault);
  }

  /**
   * Check, after the last page, that the trees and the freelist are sound and use every page.
   *
   * @param roots all objects in sqlite_schema with rootpage > 0; sqlite_schema itself, which has
   *   page 1, is not among them
   * @param readPage reads a page once more: only the trunks of the freelist, about one in 1,000 free pages
   * @returns rows in each tree, by its root page
   * @throws NightjarError `OBJECT_CORRUPT` naming the first page that is wrong, its owner and the fault;
   *   what `readPage` throws
   */
  async finish(
    roots: readonly Root[],
    readPage: (pgno: number) => Promise<Uint8Array>,
  ): Promise<Map<number, number>> {
    if (this.#fault !== undefined) throw corrupt(this.#fault);
    const last = this.#size.pageCount;
    const next = this.#added + 1;
    if (this.#layout === undefined || next < last || (next === last && !this.#isLock(next)))
      throw corrupt(`Page ${next} of ${last} is missing.`);
    const { header, maps } = this.#layout;

    const trees: Root[] = [SCHEMA, ...roots];
    const users = trees.map(({ name, type = "table" }) => `${type} "${name}"`);
    const use = new PageUse(this.#size, [...users, "the freelist"], maps);
    const rows = new Map<number, number>();
    for (const [user, tree] of trees.entries()) {
      const audit = new TreeAudit(this.#ledger, use, user);
      rows.set(tree.rootpage, audit.run(tree.rootpage, hasRowids(tree)));
    }
    await auditFreelist(header, use, users.length, readPage);
    use.checkAllUsed();

    const largest = trees.reduce((most, { rootpage }) => Math.max(most, rootpage), 0);
    if (maps !== undefined && header.largestRoot !== largest)
      throw corrupt(
        `Page 1: the header gives page ${header.largestRoot} as the largest root, but that is ${largest}.`,
      );
    return rows;
  }

  #misplaced(pgno: number, page: Uint8Array): string | undefined {
    const { pageSize, pageCount } = this.#size;
    const next = this.#added + 1;
    if (pgno !== next && !(pgno === next + 1 && this.#isLock(next)))
      return `Page ${next} is missing: page ${pgno} came in its place.`;
    if (pgno > pageCount) return `Page ${pgno} lies beyond the ${pageCount} of the database.`;
    if (page.length !== pageSize) return `Page ${pgno} has ${page.length} bytes, not ${pageSize}.`;
    return undefined;
  }

  #isLock(pgno: number): boolean {
    return pgno === lockPage(this.#size.pageSize);
  }

  #open(page: Uint8Array): void {
    const header = auditHeader(page, this.#size);
    if (typeof header === "string") {
      this.#fault = `Page 1: ${header}.`;
      return;
    }
    const { pageSize } = this.#size;
    const { usable, largestRoot } = header;
    this.#layout = {
      header,
      btree: new BtreePage(pageSize, usable),
      maps: largestRoot === 0 ? undefined : new PointerMap(pageSize, usable),
    };
  }
}

/** Return true if a root's tree must have rowids, false if it must not; undefined if that is not known. */
function hasRowids({ type, withoutRowid }: Root): boolean | undefined {
  if (type === "index") return false;
  return withoutRowid === undefined ? undefined : !withoutRowid;
}
