import { describe, expect, it } from "vitest";
import { systemDeps } from "../../../src/core/deps.ts";
import { tursoOnlyIn } from "../../../src/format/tables/turso-only.ts";
import { readCatalog, readTables } from "../../../src/source/rows/read-tables.ts";
import { findTransactions } from "../../../src/source/rows/transaction.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";
import { captured, describeFile, describeSql, sqlOfRows } from "../../support/rows.ts";
import { TursoDatabase } from "../../support/turso-database.ts";

const MVCC = "PRAGMA journal_mode = 'mvcc'";
const VALUES = [
  ...["NULL", "1", "-1", "9223372036854775807", "(-9223372036854775807-1)", "9007199254740993"],
  ...["1.0", "-0.0", "0.1", "5e-324", "1.7976931348623157e308", "9e999", "-9e999", "1e21"],
  ...[
    "'it''s'",
    "'é 🌙'",
    "''",
    "'a' || char(0) || 'b'",
    "char(13, 10)",
    "'12'",
    "X''",
    "X'00FF10'",
  ],
  ...["zeroblob(70000)", "'\\\\ \"quoted\" \\u0041'", "'x' || hex(zeroblob(40000))"],
];
const TABLES = [
  "CREATE TABLE plain(id INTEGER PRIMARY KEY, a, r REAL, t TEXT, i INTEGER)",
  'CREATE TABLE "q""t"("c""1" TEXT, "select")',
  "CREATE TABLE strict(a ANY, t TEXT) STRICT",
  ...VALUES.flatMap((value) => [
    `INSERT INTO plain(a, r, t, i) VALUES (${value}, ${value}, ${value}, ${value})`,
    `INSERT INTO "q""t" VALUES (${value}, ${value})`,
    `INSERT INTO strict(a) VALUES (${value})`,
  ]),
  'INSERT INTO "q""t"(rowid, "select") VALUES (-5, 7), (9007199254740993, 8)',
  "UPDATE plain SET a = 'changed' WHERE id = 3",
  "DELETE FROM plain WHERE id = 4",
  "CREATE INDEX by_a ON plain(a)",
  "CREATE VIEW seen AS SELECT a FROM plain",
  "PRAGMA user_version = 17",
];

/** The rows alone: the engine writes the schema's text in its own way. */
const rowsOf = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith("  ") || line.startsWith("user_version")).toSorted();

describe("databases of Turso's own engine", () => {
  for (const [kind, first] of [
    ["in WAL mode", "SELECT 1"],
    ["in MVCC mode, whose pages have none of the rows", MVCC],
  ] as const)
    it(`come back value by value: ${kind}`, async () => {
      const database = await TursoDatabase.create();
      await database.exec(first, ...TABLES);
      const reference = await PageDatabase.create();
      await reference.runAll(TABLES);
      const context = testContext({
        new: { url: database.source.url, ...(kind === "in WAL mode" && { capture: "rows" }) },
      });
      const { manifest, sql } = await captured(context, "new");
      expect(manifest.method).toMatchObject({ protocol: "rows" });
      const original = rowsOf(await describeFile(await databaseBytes(reference.client)));
      expect(rowsOf(await describeSql(sql))).toEqual(original);
      expect(original.length).toBeGreaterThan(3 * VALUES.length);
    });
});

describe("a server whose pages are not the whole database", () => {
  const ITEMS = [
    "CREATE TABLE items(id INTEGER PRIMARY KEY, a)",
    "INSERT INTO items VALUES (1, 'x')",
  ];

  it("is read by rows where it gives only what was written since its last checkpoint", async () => {
    const database = await TursoDatabase.create();
    await database.exec(...ITEMS, "CREATE TABLE other(b)");
    await database.checkpoint();
    const insert = "INSERT INTO items VALUES (2, 'y')";
    await database.exec(insert, "CREATE TABLE third(c)"); // which writes the first page too
    const context = testContext({ since: { url: database.source.url } });
    const { manifest, sql } = await captured(context, "since");
    expect(manifest.method).toMatchObject({ protocol: "rows", why: /PAGES_INCOMPLETE/ });
    expect(sql).toMatch(/VALUES\(1,'x'\);\s.*VALUES\(2,'y'\);/);
    const pages = testContext({
      pages: { url: database.source.url, capture: "pages", attempts: 1 },
    });
    const { error } = await backUp(pages, manualRun("pages"));
    expect(error?.code).toBe("PAGES_INCOMPLETE");
    await database.remove();
  });

  it("is read by rows where it says so itself", async () => {
    const database = await TursoDatabase.create();
    await database.exec(...ITEMS);
    const fetch = async (url: string, init: RequestInit) => {
      const answer = await systemDeps.fetch(url, init);
      if (!url.endsWith("/pull-updates")) return answer;
      const bytes = await answer.bytes();
      const head = [bytes[0]! + 2, ...bytes.subarray(1, bytes[0]! + 1), 0x40, 2]; // protocol = 2
      return new Response(new Uint8Array([...head, ...bytes.subarray(bytes[0]! + 1)]));
    };
    const context = testContext({ mvcc: { url: database.source.url } }, { fetch });
    const { manifest, sql } = await captured(context, "mvcc");
    expect(manifest.method).toMatchObject({ protocol: "rows", why: /MVCC/ });
    expect(sql).toContain("VALUES(1,'x');");
    await database.remove();
  });
});

describe("a temporary table of another client, which hides a table of the database", () => {
  it("makes the capture fail by name, and its rows are never taken for the table's", async () => {
    const database = await TursoDatabase.create();
    await database.exec(
      "CREATE TABLE t(a)",
      "INSERT INTO t VALUES (1), (2)",
      "CREATE TEMP TABLE T(a)",
    );
    await expect(sqlOfRows(database.source)).rejects.toMatchObject({
      code: "ROWS_UNAVAILABLE",
      message: expect.stringContaining("temporary table") as string,
      hint: expect.stringContaining("Drop the temporary table") as string,
    });
    const transactions = await findTransactions(database.source, systemDeps);
    // As on a server that does not list its temporary tables.
    const unlisted = (sql: string) =>
      sql.replace(/, \(SELECT count\(\*\) FROM.*pragma_table_list.*$/, ", 0");
    const blind = {
      ...transactions,
      read: (statements: readonly string[]) => transactions.read(statements.map(unlisted)),
    };
    const read = [];
    const catalog = await readCatalog(blind);
    for await (const event of readTables(blind, catalog, [{ name: "t", columns: ["a"] }]))
      if ("rows" in event) read.push(...event.rows.flat());
    expect(read).toEqual([1n, 2n]);
    await database.exec("DROP TABLE temp.T");
    expect(await sqlOfRows(database.source)).toContain("VALUES(2,2);");
    await database.remove();
  });
});

describe("what only Turso's own engine has", () => {
  it("is derived, and left out with a warning, or becomes a plain view", async () => {
    const database = await TursoDatabase.create(
      "--experimental-views",
      "--experimental-index-method",
    );
    await database.exec(
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT)",
      "INSERT INTO t VALUES (1, 'hello world'), (2, 'x'), (3, 'x')",
      "CREATE MATERIALIZED VIEW counted AS SELECT a, count(*) AS n FROM t GROUP BY a",
      "CREATE INDEX words ON t USING fts (a)",
      "PRAGMA capture_data_changes_conn('full')",
      "INSERT INTO t VALUES (4, 'captured')",
    );
    const context = testContext({ odd: { url: database.source.url, capture: "rows" } });
    const { manifest, sql } = await captured(context, "odd");
    expect(manifest.warnings.map(({ code, where }) => `${code} ${where}`).toSorted()).toEqual([
      "FEATURE_LEFT_OUT counted",
      "FEATURE_LEFT_OUT words",
    ]);
    // SQLite opens what the SQL makes: nobody may be told otherwise.
    expect(tursoOnlyIn(manifest.warnings)).toEqual([]);
    const names = manifest.tables.map(({ name }) => name);
    expect(names).toContain("turso_cdc");
    expect(names.filter((name) => name.startsWith("__turso_internal"))).toEqual([]);
    const lines = await describeSql(sql);
    expect(lines.filter((line) => line.startsWith("  t:"))).toHaveLength(4);
    expect(lines.join("\n")).toMatch(/^view "counted" "counted" "CREATE VIEW counted AS/m);
  });

  it("and is not derived, is refused by name", async () => {
    const database = await TursoDatabase.create("--experimental-custom-types");
    await database.exec(
      "CREATE TYPE cents BASE integer ENCODE value * 100 DECODE value / 100",
      "CREATE TABLE money(id INTEGER PRIMARY KEY, c cents) STRICT",
      "INSERT INTO money VALUES (1, 5)",
    );
    const context = testContext({
      typed: { url: database.source.url, capture: "rows", attempts: 1 },
    });
    expect(await backUp(context, manualRun("typed"))).toMatchObject({
      state: "failed",
      error: {
        code: "ROWS_UNAVAILABLE",
        message: expect.stringContaining("custom types") as string,
      },
    });
    expect((await allKeys()).filter((key) => key.includes("typed"))).toEqual([]);
  });

  it("has tables WITHOUT ROWID and computed columns as SQLite has them", async () => {
    const statements = [
      "CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID",
      "INSERT INTO w VALUES ('b', 1), ('a', 2.0)",
      "CREATE TABLE g(a, b AS (a || 'x'), c)",
      "INSERT INTO g(a, c) VALUES ('q', 1.0)",
      "CREATE TABLE d(id INTEGER PRIMARY KEY DESC, v)",
      "INSERT INTO d(rowid, id, v) VALUES (10, 1, 'a')",
      "CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, v)",
      "INSERT INTO n VALUES (100, 'gone')",
      "DELETE FROM n",
    ];
    const flags = ["--experimental-without-rowid", "--experimental-generated-columns"];
    const database = await TursoDatabase.create(...flags);
    await database.exec(...statements);
    const reference = await PageDatabase.create();
    await reference.runAll(statements);
    const context = testContext({ kinds: { url: database.source.url, capture: "rows" } });
    const { sql } = await captured(context, "kinds");
    const original = rowsOf(await describeFile(await databaseBytes(reference.client)));
    expect(rowsOf(await describeSql(sql))).toEqual(original);
  });
});

describe("a transaction that somebody else has left open on the only connection", () => {
  it("is not touched: the capture fails, and works when it has ended", async () => {
    const database = await TursoDatabase.create();
    await database.exec("CREATE TABLE t(a)", "INSERT INTO t VALUES (1)", "BEGIN");
    await database.exec("INSERT INTO t VALUES (2)");
    const source = {
      url: database.source.url,
      namespace: undefined,
      stallMs: 5000,
      token: undefined,
    };
    await expect(sqlOfRows(source)).rejects.toMatchObject({
      code: "SOURCE_ERROR",
      message: expect.stringContaining("within a transaction") as string,
    });
    await database.exec("INSERT INTO t VALUES (3)", "COMMIT"); // it was still theirs
    expect(await sqlOfRows(source)).toContain("VALUES(3,3);");
    await database.exec("BEGIN", "ROLLBACK"); // and none is left open by the capture
  });

  it("is never one of the capture's own: a statement that fails ends it", async () => {
    const database = await TursoDatabase.create();
    await database.exec("CREATE TABLE t(a)", "INSERT INTO t VALUES (1)");
    const transactions = await findTransactions(database.source, systemDeps);
    const catalog = await readCatalog(transactions);
    const read = async (...names: string[]) => {
      const tables = names.map((name) => ({ name, columns: ["rowid"] }));
      for await (const event of readTables(transactions, catalog, tables)) void event;
    };
    for (const names of [["gone"], ["t", "gone"]]) {
      await expect(read(...names)).rejects.toMatchObject({ code: "SOURCE_ERROR" });
      await database.exec("BEGIN", "INSERT INTO t VALUES (2)", "COMMIT");
    }
    await expect(read("t")).resolves.toBeUndefined();
  });
});
