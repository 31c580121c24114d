import { describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { NightjarError } from "../../../src/errors/errors.ts";
import { imageFacts } from "../../../src/sqlite/facts.ts";
import { openErased, openImage, replayDump } from "../../../src/sqlite/engine/open.ts";
import { runQuery } from "../../../src/sqlite/query.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";
import { PageDatabase } from "../../support/page-database.ts";

/** A database whose schema computes endlessly for each row. */
const ENDLESS =
  "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c)";

async function open(sql: string) {
  const database = await PageDatabase.create(sql);
  return openImage(pagesOf(await databaseBytes(database.client)));
}

const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => expect.fail("it was answered"),
    (error: unknown) => error as NightjarError,
  );

/** Count the answers of this isolate while something else runs, each after a turn of its event loop. */
async function answersDuring(work: Promise<unknown>): Promise<number> {
  let running = true;
  const ended = () => void (running = false);
  work.then(ended, ended);
  const { call } = apiOf(testContext({}));
  let answers = 0;
  while (running) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await call("/healthz")).status).toBe(200);
    answers++;
  }
  return answers;
}

describe("SQL without an end", () => {
  it.each([
    ["a recursive query", `SELECT ${ENDLESS}`],
    ["a join", "SELECT count(*) FROM n a, n b, n c, n d, n e"],
    [
      "heavy steps",
      "WITH RECURSIVE c(x, s) AS (SELECT 1, hex(zeroblob(400000)) UNION ALL SELECT x + 1, s FROM c) SELECT count(*) FROM c WHERE upper(s) = lower(s)",
    ],
    [
      "long texts that never match",
      "SELECT sum(instr(hex(zeroblob(400000)), hex(zeroblob(200000)) || a.v)) FROM n a, n b, n c",
    ],
    [
      "a window",
      "SELECT length(group_concat(a.v) OVER (ROWS BETWEEN 50000 PRECEDING AND CURRENT ROW)) FROM n a, n b, n c LIMIT 1 OFFSET 1000000",
    ],
  ])("is stopped at its limit, and others are answered meanwhile: %s", async (_, sql) => {
    const image = await open(
      "CREATE TABLE n(v); WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300) INSERT INTO n SELECT x FROM c;",
    );
    const limits = { ms: 4000, steps: 60_000_000, rows: 10, bytes: 10_000 };
    const asked = failure(runQuery(image, { sql }, limits));
    const answers = await answersDuring(asked);
    expect(await asked).toMatchObject({ code: "QUERY_LIMIT" });
    expect(answers).toBeGreaterThan(2);
    image.close();
  });

  it.each([
    ["joins of joins", "SELECT x.a AS a, y.b AS b FROM v$ x JOIN v$ y"],
    ["unions of unions", "SELECT a, b FROM v$ UNION ALL SELECT a, b FROM v$"],
    ["sums of sums", "SELECT a + a AS a, b + b AS b FROM v$"],
    ["selects in selects", "SELECT (SELECT a FROM v$) AS a, (SELECT b FROM v$) AS b"],
  ])("is not prepared where views hold each other: %s", async (_, view) => {
    const views = Array.from(
      { length: 40 },
      (_, at) => `CREATE VIEW v${at + 1} AS ${view.replaceAll("$", String(at))};`,
    );
    const image = await open(
      `CREATE TABLE v0(a, b); INSERT INTO v0 VALUES (1, 2);${views.join("")}`,
    );
    for (const depth of [14, 20, 40])
      expect(await failure(runQuery(image, { sql: `SELECT * FROM v${depth}` }))).toMatchObject({
        code: "QUERY_LIMIT",
        message: expect.stringContaining("more than 4 MiB to prepare") as string,
      });
    expect((await runQuery(image, { sql: "SELECT a, b FROM v3 LIMIT 1" })).rows).toHaveLength(1);
    image.close();
  });

  it("of the schema ends at the budget of the image: a CHECK of a large product", async () => {
    const image = await open("CREATE TABLE t(v)");
    const before = image.steps;
    const asked = failure(image.rows(`SELECT ${ENDLESS}`, () => 0));
    const answers = await answersDuring(asked);
    expect(await asked).toMatchObject({
      code: "QUERY_LIMIT",
      message: expect.stringMatching(/steps of SQLite's machine for SELECT \(WITH/) as string,
    });
    expect(image.steps - before).toBeLessThan(110_000_000);
    expect(answers).toBeGreaterThan(5);
    image.close();
  });

  it("in a dump is not run at all, and a drill of it is unproven", async () => {
    const dump = async (sql: string) => {
      async function* text() {
        yield new TextEncoder().encode(
          `PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n${sql}\nCOMMIT;\n`,
        );
      }
      return failure(replayDump(text()));
    };
    for (const sql of [
      `SELECT ${ENDLESS};`,
      `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;`,
      `CREATE TABLE t(v); INSERT INTO t VALUES(${ENDLESS});`,
      "CREATE TABLE t(v); INSERT INTO t VALUES(hex(zeroblob(1000000)));",
      "CREATE TABLE t(v); INSERT INTO t VALUES(1); INSERT INTO t SELECT a.v FROM t a, t b;",
      `CREATE TABLE t AS ${ENDLESS.slice(1, -1)};`,
      "ATTACH ':memory:' AS other;",
      "VACUUM INTO 'file';",
      "PRAGMA temp_store_directory='/';",
      "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET rootpage = 1;",
      "PRAGMA writable_schema=ON; INSERT INTO main.sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','x','x',2,'CREATE TABLE x(a)');",
      "CREATE TABLE t(v); DELETE FROM t;",
    ])
      expect((await dump(sql)).code, sql).toMatch(/^(DRILL_IMPOSSIBLE|DUMP_UNSAFE)$/);
  });

  it("in a migrations table is never computed", async () => {
    const image = await open(
      `CREATE TABLE schema_migrations(version TEXT, bomb AS (instr(hex(zeroblob(400000)), hex(zeroblob(200000)) || '1')));
       INSERT INTO schema_migrations(version) VALUES ('20260301120000'), ('20250101000000');`,
    );
    const before = image.steps;
    expect((await imageFacts(image)).migration).toEqual({
      table: "schema_migrations",
      name: "20260301120000",
    });
    expect(image.steps - before).toBeLessThan(20_000);
    image.close();
  });

  it("in a schema lets a backup be made, and its drill end", async () => {
    const database = await PageDatabase.create(
      `CREATE TABLE t(a, b); INSERT INTO t VALUES (hex(zeroblob(1000000)), hex(zeroblob(20000)));
       ALTER TABLE t ALTER COLUMN a TO a CHECK (a = '' OR a LIKE '%' || b || '1');`,
    );
    const context = testContext({ slow: database.config });
    const run = backUp(context, manualRun("slow"));
    expect(await answersDuring(run)).toBeGreaterThan(2);
    expect(await run).toMatchObject({ state: "done", error: null });
    const { id } = (await newestBackup(context.catalog, "slow"))!;
    const { outcome, problem } = await prove(context, id, "drill");
    expect([`${outcome} ${problem?.code}`]).toEqual([
      expect.stringMatching(/^(passed undefined|unproven QUERY_LIMIT)$/),
    ]);
  });
});

describe("SQL that reaches elsewhere", () => {
  it.each([
    "ATTACH ':memory:' AS o",
    "VACUUM INTO 'x'",
    "VACUUM",
    "DETACH main",
    "SELECT load_extension('x')",
    "PRAGMA temp_store_directory = '/'",
    "PRAGMA trusted_schema = ON",
  ])("is denied whoever asks, in an image and in one that is erased from: %s", async (sql) => {
    const database = await PageDatabase.create("CREATE TABLE t(v)");
    const bytes = await databaseBytes(database.client);
    const image = await openImage(pagesOf(bytes));
    const { image: erased } = await openErased(pagesOf(bytes), []);
    for (const opened of [image, erased]) {
      expect((await failure(opened.rows(sql, () => 0))).message).toMatch(
        /not authorized|authorization denied/,
      );
      opened.close();
    }
  });
});
