import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyDatabase } from "../../../src/format/pages/database-header.ts";
import { PageAudit } from "../../../src/format/pages/page-audit.ts";
import {
  audit,
  finding,
  type MadeDatabase,
  makeDatabase,
  pageOf,
  ROWS,
} from "../../support/audited.ts";

const PAGE_SIZE = 512;
const SQL = `
  CREATE TABLE gone (id INTEGER PRIMARY KEY, v);
  CREATE TABLE rows (id INTEGER PRIMARY KEY, v); CREATE INDEX by_v ON rows (v);
  CREATE TABLE large (id INTEGER PRIMARY KEY, v);
  INSERT INTO gone ${ROWS(8000)} SELECT i, hex(i * 7919) FROM n;
  INSERT INTO rows ${ROWS(3000)} SELECT i, 'v' || hex(i * 7919 % 5000) FROM n;
  INSERT INTO large ${ROWS(3)} SELECT i, zeroblob(i * 3000) FROM n;
  DELETE FROM rows WHERE id % 3 = 0; DROP TABLE gone;`;

let dir: string;
let plain: Damaged;
let mapped: Damaged;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nightjar-audit-damage-"));
  plain = new Damaged(await makeDatabase(join(dir, "plain.db"), PAGE_SIZE, SQL), "plain.db");
  const sql = `PRAGMA auto_vacuum = INCREMENTAL; ${SQL}`;
  mapped = new Damaged(await makeDatabase(join(dir, "mapped.db"), PAGE_SIZE, sql), "mapped.db");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A copy of a database to damage, and SQLite's description of its pages before the damage. */
class Damaged {
  readonly made: MadeDatabase;
  readonly pages: readonly { name: string; type: string; pgno: number; path: string }[];
  file: Uint8Array;
  view: DataView;

  constructor(made: MadeDatabase, name: string) {
    this.made = made;
    this.file = made.file.slice();
    this.view = new DataView(this.file.buffer);
    const database = new DatabaseSync(join(dir, name), { readOnly: true });
    const found = database.prepare("SELECT name, pagetype, pageno, path FROM dbstat ORDER BY path");
    this.pages = found.all().map(({ name, pagetype, pageno, path }) => ({
      name: String(name),
      type: String(pagetype),
      pgno: Number(pageno),
      path: String(path),
    }));
    database.close();
  }

  repair(): void {
    this.file = this.made.file.slice();
    this.view = new DataView(this.file.buffer);
  }

  /** Pages of a table or index: "internal" (the root first), "leaf" or "overflow". */
  of(name: string, type: string): number[] {
    return this.pages.filter((one) => one.name === name && one.type === type).map((p) => p.pgno);
  }

  /** Return the offset of a page, or of one of its cells. */
  at(pgno: number): number {
    return (pgno - 1) * PAGE_SIZE;
  }
  cell(pgno: number, cell: number): number {
    const header = this.file[this.at(pgno)]! < 8 ? 12 : 8;
    return this.at(pgno) + this.view.getUint16(this.at(pgno) + header + 2 * cell);
  }
  /** Return the offset of a page's entry in the pointer map. A map precedes the pages that it describes. */
  entry(pgno: number): number {
    const map = pgno - ((pgno - 2) % 103);
    return this.at(map) + 5 * (pgno - map - 1);
  }
  u16(pgno: number, offset: number, change: (value: number) => number): void {
    const at = this.at(pgno) + offset;
    this.view.setUint16(at, change(this.view.getUint16(at)));
  }
  u32(pgno: number, offset: number, change: (value: number) => number): void {
    const at = this.at(pgno) + offset;
    this.view.setUint32(at, change(this.view.getUint32(at)));
  }
  copy(from: number, to: number): void {
    pageOf(this.made, to, this.file).set(pageOf(this.made, from));
  }
  get trunk(): number {
    return this.view.getUint32(32);
  }
}

const leaf = (of = "rows") => plain.of(of, "leaf")[2]!;
const root = (of = "rows") => plain.of(of, "internal")[0]!;
const inner = (of = "rows") => plain.of(of, "internal")[1]!;
const overflow = (place: number) => plain.of("large", "overflow").at(place)!;

/** The damage done to a sound database, and the audit's finding. */
// prettier-ignore
const DAMAGE: Record<string, [() => void, RegExp]> = {
  // The header.
  "another magic": [() => (plain.file[3] = 88), /^Page 1: the header is none of an SQLite database/],
  "another page size": [() => plain.view.setUint16(16, 1024), /none .* with pages of 512 bytes/],
  "another number of pages": [() => plain.u32(1, 28, (n) => n + 1), /^Page 1: .* tells of \d+ pages/],
  "a journal of version 3": [() => (plain.file[19] = 3), /^Page 1: .* journal versions are 1 and 3/],
  "too much reserved": [() => (plain.file[20] = 40), /^Page 1: .* reserves 40 bytes/],
  "another payload fraction": [() => (plain.file[22] = 33), /^Page 1: .* fractions are 64, 33, 32/],
  "schema format 5": [() => plain.view.setUint32(44, 5), /^Page 1: .* schema format is 5/],
  "schema format 0": [() => plain.view.setUint32(44, 0), /^Page 1: .* schema format is 0/],
  "text encoding 4": [() => plain.view.setUint32(56, 4), /^Page 1: .* text encoding is 4/],
  "incremental, unmapped": [() => plain.view.setUint32(64, 1), /^Page 1: .* without pointer maps/],

  // Pages of trees.
  "an unknown type": [() => (plain.file[plain.at(leaf())] = 9), /^Page \d+ of table "rows": .* type is 9/],
  "a wiped page": [() => pageOf(plain.made, leaf(), plain.file).fill(0), /rows": .* type is 0/],
  "a wiped schema": [() => pageOf(plain.made, 1, plain.file).fill(0, 100), /"sqlite_schema": .* type is 0/],
  "a page of an index": [() => plain.copy(leaf("by_v"), leaf()), /^Page \d+ of table "rows": it is a page of an index in a tree with rowids/],
  "a page with rowids": [() => plain.copy(leaf(), leaf("by_v")), /^Page \d+ of index "by_v": it is a page with rowids in the tree of an index/],
  "a root with rowids": [() => plain.copy(root(), root("by_v")), /^Page \d+ of index "by_v": it is a page with rowids/],
  "too many cells": [() => plain.u16(leaf(), 3, () => 90), /^Page \d+ of table "rows": it has more cells than fit/],
  "cells within pointers": [() => plain.u16(leaf(), 5, () => 14), /rows": its cells begin within/],
  "cells that begin beyond": [() => plain.u16(leaf(), 5, () => 600), /rows": its cells begin within .* beyond its end/],
  "a cell in the header": [() => plain.u16(leaf(), 10, () => 5), /rows": a cell pointer leads outside/],
  "a cell outside": [() => plain.u16(leaf(), 10, () => 509), /rows": a cell pointer leads outside/],
  "a cell that runs out": [() => (plain.file[plain.cell(leaf(), 0)] = 120), /rows": a cell runs out of the page/],
  "a row too long": [() => plain.file.fill(255, plain.cell(leaf("by_v"), 0), plain.cell(leaf("by_v"), 0) + 9), /by_v": a row's length/],
  "rowids out of order": [() => plain.u16(leaf(), 8, () => plain.cell(leaf(), 1) % PAGE_SIZE), /rows": its rowids do not ascend/],
  "one cell twice": [() => plain.u16(leaf("by_v"), 8, () => plain.cell(leaf("by_v"), 1) % PAGE_SIZE), /by_v": its cells and free blocks overlap/],
  "cells that overlap": [() => (plain.file[plain.cell(leaf("by_v"), 1)]! += 1), /by_v": its (cells and free blocks overlap|fragments)/],
  "a cell within another": [() => cellWithin(Math.max(...plain.of("by_v", "leaf"))), /by_v": its cells and free blocks overlap/],
  "a free block before the cells": [() => blockBefore(leaf()), /rows": its list of free blocks/],
  "a free block outside": [() => plain.u16(leaf(), 1, () => 511), /rows": its list of free blocks/],
  "free blocks in a circle": [() => plain.view.setUint16(plain.at(leaf()) + plain.view.getUint16(plain.at(leaf()) + 1), plain.view.getUint16(plain.at(leaf()) + 1)), /rows": its list of free blocks/],
  "fragments that are none": [() => plain.file[plain.at(leaf()) + 7]!++, /rows": its fragments are not/],
  "no cells": [() => pageOf(plain.made, leaf(), plain.file).set([0, 0, 0, 0, 2, 0, 0], 1), /rows": it is empty, though no root/],

  // Trees.
  "child 0": [() => plain.u32(inner(), 8, () => 0), /^Page \d+ of table "rows" points to page 0 as a child/],
  "a child beyond the end": [() => plain.u32(inner(), 8, () => 9999), /page 9999 as a child, but the database ends with/],
  "a child of two": [() => plain.u32(inner(), 8, () => leaf()), /rows" points to page \d+ as a child, but table "rows" uses/],
  "a child that is its parent": [() => plain.u32(inner(), 8, () => root()), /as a child, but table "rows" uses/],
  "a root of another": [() => plain.u32(root(), 8, () => root("by_v")), /of table "rows" points to page 4 as a child, but index "by_v" uses/],
  "a leaf too high": [() => plain.view.setUint32(plain.cell(root(), 0), plain.of("rows", "leaf")[0]!), /of table "rows": it is a leaf 3 pages deep in a tree whose leaves are 2/],
  "a key too small": [() => plain.file[plain.cell(inner(), 2) + 4]! -= 3, /rows": its rowid \d+ is greater than \d+/],
  "a key too small above": [() => plain.file[plain.cell(root(), 0) + 5]! -= 3, /rows": its rowid \d+ is greater than \d+/],
  "leaves in each other's place": [() => swap(leaf(), plain.of("rows", "leaf")[3]!), /rows": its rowid \d+ (is greater than|does not come after)/],
  "a key too great": [() => plain.file[plain.cell(inner(), 2) + 4]! += 9, /rows": its rowid \d+ does not come after \d+/],

  // Overflow, free pages and pointer maps.
  "overflow to 0": [() => plain.u32(overflow(0), 0, () => 0), /large": the overflow of a row on page \d+ ends with it, 1 pages long and not \d+/],
  "no overflow": [() => plain.view.setUint32(headOf(overflow(0)), 0), /large" points to page 0 as overflow/],
  "overflow beyond the end": [() => plain.u32(overflow(2), 0, () => 7777), /large" points to page 7777 as overflow of a row on page \d+, but the database ends/],
  "overflow in a circle": [() => plain.u32(overflow(3), 0, () => overflow(0)), /as overflow of a row on page \d+, but table "large" uses/],
  "overflow that goes on": [() => plain.u32(overflow(-1), 0, () => plain.trunk), /large": the overflow .* should end with it, \d+ pages long, but goes on to/],
  "overflow in a tree": [() => plain.copy(leaf(), overflow(1)), /large": it is a page of a b-tree where overflow of a row on page \d+ should/],

  "one free page too many": [() => plain.u32(1, 36, (n) => n + 1), /^Page 1: .* tells of \d+ free pages, but the freelist has/],
  "no freelist": [() => plain.u32(1, 32, () => 0), /^Page 1: .* but the freelist has 0/],
  "a trunk beyond the end": [() => plain.u32(1, 32, () => 8888), /^The freelist points to page 8888 as a trunk/],
  "trunks in a circle": [() => plain.u32(plain.trunk, 0, () => plain.trunk), /as a trunk, but the freelist uses/],
  "a trunk of too many": [() => plain.u32(plain.trunk, 4, () => 127), /of the freelist: it lists 127 pages, more than the 126/],
  "free page 0": [() => plain.u32(plain.trunk, 8, () => 0), /of the freelist points to page 0 as a free page/],
  "a used free page": [() => plain.u32(plain.trunk, 8, () => leaf()), /as a free page, but table "rows" uses/],
  "a lost page": [() => (plain.u32(plain.trunk, 4, (n) => n - 1), plain.u32(1, 36, (n) => n - 1)), /^Page \d+ is used by nothing/],

  "a wrong pointer map": [() => mapped.file[mapped.entry(mapped.of("rows", "leaf")[0]!) + 4]!++, /as a child, but the pointer map on page \d+ has type 5/],
  "a wrong map of a free page": [() => (mapped.file[mapped.entry(mapped.trunk)] = 1), /but the pointer map on page \d+ has type 1 and parent 0 for it, not 2 and 0/],
  "a child that is a map": [() => mapped.u32(mapped.of("rows", "internal")[1]!, 8, () => 2), /page 2 as a child, but that is a page of the pointer map/],
  "another largest root": [() => mapped.u32(1, 52, (n) => n + 1), /^Page 1: the header gives page \d+ as the largest root/],
};

/** Find the pointer to the first page of an overflow chain. */
function headOf(pgno: number): number {
  const pointer = [0, 0, pgno >> 8, pgno & 255];
  return Buffer.from(plain.file).indexOf(Buffer.from(pointer));
}

/** Add a cell of four bytes inside of the first one. */
function cellWithin(pgno: number): void {
  const cell = plain.cell(pgno, 0) + 5;
  const cells = plain.view.getUint16(plain.at(pgno) + 3);
  plain.file[cell] = 3;
  plain.u16(pgno, 8 + 2 * cells, () => cell % PAGE_SIZE);
  plain.u16(pgno, 3, () => cells + 1);
}

/** Add a free block of four bytes that ends where the cells begin. */
function blockBefore(pgno: number): void {
  const content = plain.view.getUint16(plain.at(pgno) + 5);
  plain.u32(pgno, content - 4, () => 4);
  plain.u16(pgno, 1, () => content - 4);
}

function swap(one: number, other: number): void {
  const { made } = plain;
  pageOf(made, one, plain.file).set(pageOf(made, other));
  pageOf(made, other, plain.file).set(pageOf(made, one));
}

describe("the audit names", () => {
  for (const [name, [damage, message]] of Object.entries(DAMAGE))
    it(name, async () => {
      plain.repair();
      mapped.repair();
      damage();
      const found = [
        await finding(plain.made, plain.file),
        await finding(mapped.made, mapped.file),
      ];
      expect(found.filter((one) => one !== undefined)).toEqual([expect.stringMatching(message)]);
    });
});

it("the audit does not believe a number of pages that the header calls stale", async () => {
  plain.repair();
  plain.u32(1, 28, (pages) => pages + 1);
  plain.u32(1, 92, (validFor) => validFor - 1);
  await expect(audit(plain.made, plain.file)).resolves.toEqual(plain.made.rows);
});

it("the audit names a tree that is deeper than SQLite goes", async () => {
  const pageCount = 30;
  const pageAudit = new PageAudit({ pageSize: PAGE_SIZE, pageCount });
  pageAudit.add(1, changed(emptyDatabase(PAGE_SIZE), 28, pageCount));
  for (let pgno = 2; pgno <= pageCount; pgno++) {
    const page = new Uint8Array(PAGE_SIZE);
    page.set([5, 0, 0, 0, 1, 1, 251, 0, 0, 0, 0, 99, 1, 251]); // one cell, at 507
    page.set([0, 0, 0, pgno + 1, 7], 507);
    pageAudit.add(pgno, page);
  }
  const roots = [{ name: "deep", rootpage: 2, type: "table" }];
  await expect(pageAudit.finish(roots, noPage)).rejects.toThrow(
    'Page 21 of table "deep": the tree is deeper than 20 pages.',
  );
});

it("the audit names pages that did not come as they should", async () => {
  const blank = new Uint8Array(PAGE_SIZE);
  const first = changed(emptyDatabase(PAGE_SIZE), 28, 3);
  const came: [string, [number, Uint8Array][]][] = [
    ["Page 1 is missing: page 2 came in its place.", [[2, blank]]],
    ["Page 2 is missing: page 3 came in its place.", [[1, first], [3, blank]]],
    ["Page 2 is missing: page 1 came in its place.", [[1, first], [1, first], [2, blank]]],
    ["Page 2 has 100 bytes, not 512.", [[1, first], [2, blank.subarray(0, 100)]]],
    ["Page 4 lies beyond the 3", [[1, first], [2, blank], [3, blank], [4, blank]]],
    ["Page 3 of 3 is missing.", [[1, first], [2, blank]]],
    ["Page 1 of 3 is missing.", []],
  ]; // prettier-ignore
  for (const [message, pages] of came) {
    const pageAudit = new PageAudit({ pageSize: PAGE_SIZE, pageCount: 3 });
    for (const [pgno, page] of pages) pageAudit.add(pgno, page);
    await expect(pageAudit.finish([], noPage)).rejects.toThrow(message);
  }
});

/** Replace the four-byte number at an offset of a page. */
function changed(page: Uint8Array, offset: number, value: number): Uint8Array {
  new DataView(page.buffer).setUint32(offset, value);
  return page;
}

function noPage(pgno: number): Promise<never> {
  return Promise.reject(new Error(`page ${pgno} was read`));
}
