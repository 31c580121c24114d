import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { databasePages } from "../../../src/format/pages/database-file.ts";
import { PageCensus } from "../../../src/format/pages/page-census.ts";
import type { Page } from "../../../src/format/pages/page.ts";
import { allPages, pagesOf } from "../../support/ltx.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nightjar-census-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const ROWS = (count: number) =>
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;

/** Make a database from statements; returns its pages, and the rows of each table by its root page. */
async function made(
  name: string,
  pageSize: number,
  sql: string,
): Promise<{ pages: Page[]; rows: Map<number, number> }> {
  const path = join(dir, `${name}-${pageSize}.db`);
  await rm(path, { force: true });
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA page_size = ${pageSize}; PRAGMA synchronous = OFF; ${sql}`);
  const roots = database.prepare(
    "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' AND rootpage > 0",
  );
  const rows = new Map<number, number>();
  for (const { name, rootpage } of [...roots.all(), { name: "sqlite_schema", rootpage: 1 }]) {
    const count = database.prepare(`SELECT count(*) AS n FROM "${String(name)}"`).get();
    rows.set(Number(rootpage), Number(count!["n"]));
  }
  database.close();
  const file = await readFile(path);
  const pages = Array.from({ length: file.length / pageSize }, (_, number) => ({
    pgno: number + 1,
    data: new Uint8Array(file.subarray(number * pageSize, (number + 1) * pageSize)),
  }));
  return { pages, rows };
}

const MANY = Array.from(
  { length: 300 },
  (_, number) =>
    `CREATE TABLE t${number} (id INTEGER PRIMARY KEY, v); INSERT INTO t${number} ${ROWS(1 + number)} SELECT i, i FROM n;`,
).join("\n");

const DATABASES: Record<string, string> = {
  "many tables, an empty one among them": `${MANY} CREATE TABLE none (id);`,
  "tables without rowids, whose inner pages hold rows too": `
    CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    INSERT INTO keyed ${ROWS(20_000)} SELECT hex(i) || hex(randomblob(20)), i FROM n;
    CREATE TABLE pair (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO pair VALUES (1, 2);`,
  "a tree of several levels": `
    CREATE TABLE deep (id INTEGER PRIMARY KEY, v); CREATE INDEX by_v ON deep (v);
    INSERT INTO deep ${ROWS(100_000)} SELECT i * 1000003, i FROM n;`,
  "rows that overflow their pages": `
    CREATE TABLE large (id INTEGER PRIMARY KEY, v);
    INSERT INTO large ${ROWS(60)} SELECT i, zeroblob(i * 1000) FROM n;
    INSERT INTO large SELECT i + 1000, randomblob(20000) FROM (${ROWS(20)} SELECT i FROM n);`,
  "pages that were freed by deletes and drops, with their old content": `
    CREATE TABLE dropped (id INTEGER PRIMARY KEY, v);
    CREATE TABLE thinned (id INTEGER PRIMARY KEY, v); CREATE INDEX by_v ON thinned (v);
    CREATE TABLE emptied (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    INSERT INTO dropped ${ROWS(20_000)} SELECT i, hex(i) FROM n;
    INSERT INTO thinned SELECT * FROM dropped; INSERT INTO emptied SELECT * FROM dropped;
    DROP TABLE dropped; DELETE FROM thinned WHERE id % 7; DELETE FROM emptied;
    CREATE TABLE later (id INTEGER PRIMARY KEY, v); INSERT INTO later ${ROWS(500)} SELECT i, hex(i) FROM n;`,
};

describe("the census of pages counts what SQLite counts", () => {
  for (const [name, sql] of Object.entries(DATABASES))
    for (const pageSize of [512, 4096, 65_536])
      it(`${name}, in pages of ${pageSize} bytes`, async () => {
        const { pages, rows } = await made(name.slice(0, 12), pageSize, sql);
        const census = new PageCensus();
        for (const { pgno, data } of pages.toReversed()) census.add(pgno, data);
        for (const [root, count] of rows)
          expect(census.rowsUnder(root), `root ${root}`).toBe(count);
      });

  it("and gets out of a damaged tree that leads round in circles", () => {
    const interior = new Uint8Array(512);
    const view = new DataView(interior.buffer);
    view.setUint8(0, 5);
    view.setUint16(3, 1);
    view.setUint32(8, 2); // its rightmost child is itself
    view.setUint16(12, 500);
    view.setUint32(500, 3);
    const leaf = new Uint8Array(512);
    leaf.set([13, 0, 0, 0, 9]);
    const census = new PageCensus();
    census.add(2, interior);
    census.add(3, leaf);
    expect(census.rowsUnder(2)).toBe(9);
    view.setUint16(12, 510); // a cell outside of the page
    const other = new PageCensus();
    other.add(2, interior);
    expect(other.rowsUnder(2)).toBe(0);
    expect(other.rowsUnder(77)).toBe(0);
  });
});

describe("the pages of a database file", () => {
  const whole = () =>
    made("whole", 512, `PRAGMA journal_mode = WAL; ${DATABASES["a tree of several levels"]!}`);
  const taken = (pages: readonly Page[], pageCount: number, pageSize = 512) =>
    allPages(databasePages(pagesOf(pages, 7), pageSize, pageCount).pages);

  it("are all there, and open without a WAL", async () => {
    const { pages } = await whole();
    const file = databasePages(pagesOf(pages, 7), 512, pages.length);
    const found = await allPages(file.pages);
    expect(file.journal()).toBe("wal");
    expect(found).toHaveLength(pages.length);
    expect([...found[0]!.data.subarray(18, 20)]).toEqual([1, 1]);
    for (const [number, { pgno, data }] of found.entries())
      if (number > 0)
        expect(pgno === number + 1 && !Buffer.compare(data, pages[number]!.data)).toBe(true);
  });

  it("are refused when one is missing, comes twice or too many come", async () => {
    const { pages } = await whole();
    const count = pages.length;
    const wrong: [string, Page[], number][] = [
      ["the first", pages.slice(1), count],
      ["one within", pages.filter(({ pgno }) => pgno !== 8), count],
      ["the last", pages.slice(0, -1), count],
      ["all", [], count],
      ["twice", [...pages.slice(0, 5), pages[4]!, ...pages.slice(5)], count],
      ["one more", [...pages, { pgno: count + 1, data: pages[1]!.data }], count],
    ];
    for (const [what, given, expected] of wrong)
      await expect(taken(given, expected), what).rejects.toMatchObject({ code: "PAGES_INVALID" });
  });

  it("are refused when the header tells of another database", async () => {
    const { pages } = await whole();
    await expect(taken(pages.slice(0, -1), pages.length - 1)).rejects.toMatchObject({
      code: "PAGES_INVALID",
    });
    await expect(taken(pages, pages.length, 1024)).rejects.toMatchObject({ code: "PAGES_INVALID" });
  });
});
