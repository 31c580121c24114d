import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createClient } from "@libsql/client/http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServerProcess } from "../../../scripts/lib/server-process.ts";
import { startSqld } from "../../../scripts/lib/sqld.ts";
import { EVERYTHING } from "../../../src/format/tables/selection.ts";
import { type Image, openImageWith } from "../../../src/sqlite/engine/image.ts";
import {
  refuseSql,
  type SqlTarget,
  writeSelected,
  writeSql,
} from "../../../src/sqlite/sql/write-sql.ts";
import { describeImage, pagesOf } from "../../support/describe-image.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";
import { compiledWasm } from "../../support/wasm.ts";

const dir = mkdtempSync(join(tmpdir(), "nightjar-loads-"));
const servers: ServerProcess[] = [];
let wasm: WebAssembly.Module;

beforeAll(async () => {
  wasm = await compiledWasm();
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

let files = 0;
const newFile = () => join(dir, `${++files}.db`);

async function freshServer() {
  const server = await startSqld(mkdtempSync(join(dir, "sqld-")));
  servers.push(server);
  return createClient({ url: server.url });
}

/** Make a file with stock SQLite, in which old schemas are allowed. */
function fileOf(...statements: string[]): Uint8Array {
  const file = newFile();
  const db = new DatabaseSync(file, {
    defensive: false,
    enableDoubleQuotedStringLiterals: true,
  });
  for (const sql of statements) db.exec(sql);
  db.close();
  return readFileSync(file);
}

const imageOf = (bytes: Uint8Array): Promise<Image> => openImageWith(wasm, pagesOf(bytes));

async function sqlOf(bytes: Uint8Array, target: SqlTarget = "sqlite"): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeSql(await imageOf(bytes), target)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function lines(bytes: Uint8Array): Promise<string[]> {
  const image = await imageOf(bytes);
  try {
    return await describeImage(image);
  } finally {
    image.close();
  }
}

function throughNode(sql: Buffer, options: { dqs?: boolean } = {}): Uint8Array {
  const file = newFile();
  const db = new DatabaseSync(file, {
    defensive: false,
    enableDoubleQuotedStringLiterals: options.dqs ?? false,
  });
  db.exec(sql.toString());
  db.close();
  return readFileSync(file);
}

function throughShell(sql: Buffer, args: readonly string[] = ["-safe", "-bail"]): Uint8Array {
  const file = newFile();
  execFileSync("sqlite3", [...args, file], { input: sql, cwd: dir });
  return readFileSync(file);
}

async function throughServer(sql: Buffer): Promise<Uint8Array> {
  const client = await freshServer();
  await client.executeMultiple(sql.toString());
  return databaseBytes(client);
}

/** Expect that the SQL of a database loads everywhere and makes the same database. */
async function expectSame(source: Uint8Array, server = true): Promise<void> {
  const before = await lines(source);
  const sql = await sqlOf(source);
  expect(await lines(throughNode(sql))).toEqual(before);
  expect(await lines(throughShell(sql))).toEqual(before);
  if (server)
    expect(await lines(await throughServer(await sqlOf(source, "libsql")))).toEqual(before);
}

describe("tables that are only named like those of a virtual table", () => {
  test("external content with the name of FTS5's own content table", async () => {
    await expectSame(
      fileOf(
        "CREATE TABLE posts_content(id INTEGER PRIMARY KEY, body)",
        "INSERT INTO posts_content VALUES (5, 'five'), (7, 'seven')",
        "CREATE VIRTUAL TABLE posts USING fts5(body, content='posts_content', content_rowid='id')",
        "INSERT INTO posts(rowid, body) SELECT id, body FROM posts_content",
      ),
    );
  });

  test.each([
    ["fts5(a, columnsize=0)", "x_docsize"],
    ["fts5(a, content='')", "x_content"],
    ["fts5(a, conten = 'other', columns = 0)", "x_docsize"],
    ['fts4(content="other", a)', "x_content"],
    ["fts4(a, matchinfo=fts3)", "x_docsize"],
    ["fts3(a)", "x_stat"],
    ["fts5vocab(y, row)", "x_data"],
    ["rtree(id, a, b)", "x_data"],
    ["fts5(a)", "X_DATA2"],
  ])("%s beside %s", async (module, name) => {
    await expectSame(
      fileOf(
        "CREATE TABLE other(a)",
        "CREATE VIRTUAL TABLE y USING fts5(a)",
        `CREATE TABLE ${name}(k INTEGER PRIMARY KEY, value)`,
        `INSERT INTO ${name} VALUES (1, 'user''s own')`,
        `CREATE VIRTUAL TABLE x USING ${module}`,
      ),
      false,
    );
  });

  test("FTS3 with the table that its own command has made", async () => {
    await expectSame(
      fileOf(
        "CREATE VIRTUAL TABLE x USING fts3(a)",
        "INSERT INTO x(x) VALUES ('automerge=2')",
        "INSERT INTO x(a) VALUES ('one two three')",
      ),
    );
  });
});

describe("virtual tables that read others as they are made", () => {
  test("FTS4 over a view of a virtual table, FTS5 over a view", async () => {
    await expectSame(
      fileOf(
        "CREATE TABLE t(a, b)",
        "INSERT INTO t VALUES ('one', 'two')",
        "CREATE VIEW v AS SELECT rowid, a, b FROM t",
        'CREATE VIRTUAL TABLE f4 USING fts4(content="v")',
        "CREATE VIRTUAL TABLE f5 USING fts5(a, b, content='v')",
        "INSERT INTO f5(f5) VALUES ('rebuild')",
        "CREATE TRIGGER tr INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (new.a, new.b); END",
      ),
    );
  });
});

describe("a module that the reader may not have", () => {
  const source = () =>
    fileOf(
      "CREATE TABLE first(a)",
      "INSERT INTO first VALUES (1)",
      // As the module's own CREATE leaves it in the file.
      "CREATE TABLE v_chunks(id INTEGER PRIMARY KEY, data BLOB)",
      "INSERT INTO v_chunks VALUES (1, X'0102')",
      "PRAGMA writable_schema=ON",
      "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES ('table','v','v',0,'CREATE VIRTUAL TABLE v USING vec9(embedding float[4])')",
      "PRAGMA writable_schema=RESET",
      "CREATE INDEX last ON first(a)",
    );

  test("is left for it, and everything else loads", async () => {
    const bytes = source();
    const before = await lines(bytes);
    const sql = await sqlOf(bytes);
    expect(sql.toString()).toContain("-- needs module vec9: CREATE VIRTUAL TABLE v USING vec9");
    expect(await lines(throughNode(sql))).toEqual(before);
    expect(await lines(throughShell(sql))).toEqual(before);
    expect(await lines(await throughServer(await sqlOf(bytes, "libsql")))).toEqual(
      before.filter((line) => !line.includes("vec9")),
    );
  });
});

describe("rows that are older than their table's rules", () => {
  test("in a stock file: NOT NULL, CHECK and type", async () => {
    const source = fileOf(
      "CREATE TABLE a(id INTEGER PRIMARY KEY, b TEXT, c INT, d TEXT)",
      "INSERT INTO a VALUES (1, 'x', 5, 'd'), (2, NULL, -1, '12'), (3, 'y', 7, '3.0')",
      "CREATE INDEX ai ON a(b)",
      "PRAGMA writable_schema=ON",
      "UPDATE sqlite_schema SET sql = 'CREATE TABLE a(id INTEGER PRIMARY KEY, b TEXT NOT NULL DEFAULT ''new'', -- a note\r\n c INT CHECK (c > 0), d NUMERIC)' WHERE name = 'a'",
      "PRAGMA writable_schema=RESET",
    );
    await expectSame(source);
    expect((await sqlOf(source)).toString()).toContain(
      "rows that its own columns would refuse or change: 2 of a;",
    );
  });

  test("as libSQL's ALTER COLUMN leaves them, also in STRICT and WITHOUT ROWID tables", async () => {
    const client = await freshServer();
    for (const sql of [
      "CREATE TABLE a(id INTEGER PRIMARY KEY, b TEXT, c)",
      "INSERT INTO a VALUES (1, 'x', 1), (2, NULL, '7')",
      "ALTER TABLE a ALTER COLUMN b TO b TEXT NOT NULL DEFAULT 'new'",
      "ALTER TABLE a ALTER COLUMN c TO c INTEGER CHECK (c > 5)",
      "CREATE TABLE s(k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID",
      "INSERT INTO s VALUES ('k', 'text'), ('l', 2)",
      "ALTER TABLE s ALTER COLUMN v TO v INTEGER NOT NULL",
      'CREATE TABLE "q q"("a a" TEXT, [b b] TEXT, `c` TEXT)',
      `INSERT INTO "q q" VALUES (NULL, NULL, NULL)`,
      'ALTER TABLE "q q" ALTER COLUMN "a a" TO "a a" INTEGER NOT NULL',
      "CREATE TABLE plain(a TEXT NOT NULL, b NUMERIC, c DATETIME)",
      "INSERT INTO plain VALUES ('x', '12 apples', '2026-11-28')",
    ])
      await client.execute(sql);
    const source = await databaseBytes(client);
    await expectSame(source);
    expect((await sqlOf(source, "libsql")).toString()).not.toContain('ALTER TABLE "plain"');
  });
});

describe("strings in double quotes", () => {
  test("of CHECKs, defaults, generated columns and indexes", async () => {
    const source = fileOf(
      `CREATE TABLE a(s TEXT CHECK(s IN ("on","off") AND "s" <> "it's") DEFAULT "on", g AS (s || "x"), "on 2" COLLATE "nocase")`,
      `INSERT INTO a(s) VALUES ('off')`,
      `CREATE INDEX ix ON a(s, "s", "fixed", lower("S")) WHERE s = "on" AND a."s" <> "off"`,
      `CREATE VIEW v AS SELECT "text", s FROM a`,
    );
    const sql = await sqlOf(source);
    const expected = (await lines(source)).map((line) =>
      line
        .replace('\\"on\\",\\"off\\"', "'on','off'")
        .replace(`\\"it's\\"`, "'it''s'")
        .replace('|| \\"x\\"', "|| 'x'")
        .replace('\\"fixed\\"', "CAST('fixed' AS TEXT)")
        .replace('= \\"on\\"', "= 'on'")
        .replace('<> \\"off\\"', "<> 'off'"),
    );
    expect(expected.join("\n")).toContain(`CHECK(s IN ('on','off') AND \\"s\\" <> 'it''s')`);
    expect(await lines(throughNode(sql))).toEqual(expected);
    expect(await lines(throughShell(sql))).toEqual(expected);
    expect(await lines(await throughServer(await sqlOf(source, "libsql")))).toEqual(expected);
  });
});

describe("2,000 columns", () => {
  test("load with every rowid", async () => {
    const columns = Array.from({ length: 2000 }, (_, at) => `c${at}`);
    const values = columns.map((_, at) => at).join();
    await expectSame(
      fileOf(
        `CREATE TABLE wide(${columns.join()})`,
        `INSERT INTO wide VALUES (${values}), (${values})`,
        "INSERT INTO wide(rowid, c0) VALUES (-7, 'minus'), (50, 'gap'), (51, 'next'), (9223372036854775807, 'last')",
      ),
    );
  });
});

describe("a database that is not UTF-8", () => {
  test("is refused before anything is written", async () => {
    const image = await imageOf(fileOf("PRAGMA encoding='UTF-16le'", "CREATE TABLE t(a)"));
    await expect(refuseSql(image, EVERYTHING)).rejects.toMatchObject({
      code: "FORMAT_UNAVAILABLE",
    });
  });
});

describe("words in comments", () => {
  test("make no AUTOINCREMENT table", async () => {
    await expectSame(
      fileOf(
        "CREATE TABLE once(id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO once VALUES (5)",
        "DROP TABLE once",
        "CREATE TABLE a(id INTEGER PRIMARY KEY /* not autoincrement */) -- libsql_vector_idx(",
        "INSERT INTO a VALUES (3)",
      ),
    );
  });
});

describe("a schema row that is more than its statement", () => {
  const hostile = (sql: string, name = "v", type = "view") =>
    fileOf(
      "CREATE TABLE t(a)",
      "INSERT INTO t VALUES (1)",
      `CREATE ${type} ${name} AS SELECT 1`,
      "PRAGMA writable_schema=ON",
      `UPDATE sqlite_schema SET sql = CAST(X'${Buffer.from(sql).toString("hex")}' AS TEXT) WHERE name = '${name}'`,
    );

  test.each([
    "CREATE VIEW v AS SELECT 1;\nATTACH 'canary.db' AS x",
    "CREATE VIEW v AS SELECT 1;\n.shell touch canary",
  ])("%j is refused, and only where it is selected", async (sql) => {
    const bytes = hostile(sql);
    await expect(sqlOf(bytes)).rejects.toMatchObject({
      code: "SCHEMA_UNSAFE",
      message: expect.stringContaining('view "v"') as string,
    });
    const part = { tables: new Set(["t"]), schema: true, rows: true };
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeSelected(await imageOf(bytes), "sqlite", part))
      chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe(
      'CREATE TABLE t(a);\nINSERT INTO "t"(rowid,"a") VALUES\n(1,1);\n',
    );
  });
});

describe("lines that a shell takes for its own", () => {
  const touch = ".shell touch canary";
  test.each([
    ["go", "CREATE VIEW v AS SELECT 1 AS\ngo\n, 2"],
    ["slash", "CREATE VIEW v AS SELECT 1\n/\n2"],
    ["go with a comment", `CREATE VIEW v AS SELECT 1\n  Go -- x\n/*\n${touch}\n*/`],
    [
      "slash and a command in a comment",
      `CREATE VIEW v AS SELECT 1\n/ /* x */\n--\n2 /*\n${touch}\n*/`,
    ],
    ["a command in a literal", `CREATE VIEW v AS SELECT 1 AS\ngo, '\n${touch}\n'`],
    ["a command in a name", `CREATE VIEW v AS SELECT 1 AS\ngo, 2 AS "\n${touch}\n"`],
    ["after a line comment", `CREATE VIEW v AS SELECT 1 AS -- note\ngo\n/*\n${touch}\n*/, 2`],
    ["in a table", `CREATE TABLE v(a DEFAULT 1,\ngo\n/*\n${touch}\n*/)`],
  ])("%s", async (_, sql) => {
    const bytes = fileOf(
      sql,
      `CREATE TABLE "n\n${touch}\n"("c\n${touch}\n")`,
      `INSERT INTO "n\n${touch}\n" VALUES ('\n${touch}\n')`,
    );
    for (const args of [["-bail"], ["-safe", "-bail"]]) {
      const loaded = throughShell(await sqlOf(bytes), args);
      expect(existsSync(join(dir, "canary"))).toBe(false);
      const plain = (line: string) => line.replaceAll("/**/", "");
      expect((await lines(loaded)).map(plain)).toEqual(await lines(bytes));
    }
  });
});
