import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkFile } from "../../../src/cli/files/check-file.ts";
import { openGuarded } from "../../../src/cli/sqlite/open-guarded.ts";
import type { Found, RestoreOptions } from "../../../src/cli/restore/options.ts";
import { readTableDefinition } from "../../../src/format/sql/column-definitions.ts";
import { refuseLargeSchema } from "../../../src/format/pages/schema-census.ts";
import { tableOptions } from "../../../src/format/sql/libsql-schema.ts";
import { withStringLiterals } from "../../../src/format/sql/string-literals.ts";
import { MOST_BUSY } from "../../../src/sqlite/engine/engine.ts";
import { imageFacts } from "../../../src/sqlite/facts.ts";
import { type Image, openImageWith } from "../../../src/sqlite/engine/image.ts";
import { replayDumpWith } from "../../../src/sqlite/replay.ts";
import { describeTables, readSchema } from "../../../src/sqlite/tables.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { compiledWasm } from "../../support/wasm.ts";

const dir = mkdtempSync(join(tmpdir(), "nightjar-schema-"));
let wasm: WebAssembly.Module;
let files = 0;

beforeAll(async () => {
  wasm = await compiledWasm();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Make a database file with stock SQLite. */
function makeFile(...statements: readonly string[]): string {
  const path = join(dir, `${files++}.db`);
  const database = new DatabaseSync(path, { defensive: false });
  for (const sql of statements) database.exec(sql);
  database.close();
  return path;
}

const open = (path: string): Promise<Image> => openImageWith(wasm, pagesOf(readFileSync(path)));

describe("views of views of views", () => {
  const views = (depth: number, many: number): string[] => [
    "CREATE TABLE t(a); INSERT INTO t VALUES (1); CREATE VIEW v0 AS SELECT a FROM t",
    ...Array.from({ length: depth }, (_, at) => {
      return `CREATE VIEW v${at + 1} AS SELECT x0.a FROM v${at} x0, v${at} x1`;
    }),
    ...Array.from({ length: many }, (_, at) => {
      return `CREATE VIEW w${at} AS SELECT x0.a FROM v${depth} x0, v${depth} x1`;
    }),
  ];

  it("are not prepared to learn what the tables are", async () => {
    const image = await open(makeFile(...views(4, 5)));
    let asked = 0;
    await image.exclusive(async (engine) => {
      engine.guard = () => {
        asked++;
        return true;
      };
    });
    expect((await imageFacts(image)).tables).toMatchObject([{ name: "t", kind: "table" }]);
    expect(asked).toBeLessThan(30);
    image.close();
  });

  it("are not prepared when a restored file is checked", async () => {
    const path = makeFile(...views(9, 5));
    const found = { tables: undefined, erasures: [] } as unknown as Found;
    const checked = await checkFile(path, found, { verify: true } as RestoreOptions);
    expect(checked).toMatchObject({ integrity: "ok", rows: 1 });
    const database = await openGuarded(path, "read");
    for (const sql of ["PRAGMA table_list", "SELECT * FROM pragma_table_list('t')"])
      expect(() => database.prepare(sql).all(), sql).toThrow(/authorized/);
    database.close();
  });
});

describe("what a table is", () => {
  it("is read from its text as SQLite reads it", async () => {
    const path = makeFile(
      `CREATE TABLE plain(a, strict, without, rowid);
       CREATE TABLE keyed(a PRIMARY KEY) without /* ; */ rowid;
       CREATE TABLE typed(a INT) Strict;
       CREATE TABLE "both ("(a INT DEFAULT ')' PRIMARY KEY) STRICT -- ,
         , WITHOUT ROWID;
       CREATE TABLE told(a) /* STRICT, WITHOUT ROWID */;
       CREATE TABLE copied AS SELECT * FROM typed;
       CREATE TABLE numbered(a INTEGER PRIMARY KEY AUTOINCREMENT);
       CREATE VIRTUAL TABLE words USING fts5(a, b);
       CREATE VIRTUAL TABLE area USING rtree(id, x0, x1);
       CREATE VIEW seen AS SELECT 1;
       PRAGMA writable_schema=ON;
       UPDATE sqlite_schema SET sql = sql || char(0) || ', STRICT' WHERE name = 'plain'`,
    );
    const stock = new DatabaseSync(path);
    const theirs = stock
      .prepare(
        "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type <> 'view' AND name <> 'sqlite_schema' ORDER BY name",
      )
      .all()
      .map((row) => ({ ...row }));
    stock.close();
    const image = await open(path);
    const ours = describeTables(await readSchema(image))
      .map(({ name, kind, withoutRowid, strict }) => ({
        name,
        type: kind === "virtual" || kind === "shadow" ? kind : "table",
        wr: Number(withoutRowid),
        strict: Number(strict),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    image.close();
    expect(ours).toEqual(theirs);
    expect(ours.length).toBeGreaterThan(12);
  });
});

describe("the time of an engine", () => {
  it("ends before the Worker's", () => {
    const [, ms] = /^cpu_ms = ([0-9_]+)$/m.exec(readFileSync("wrangler.toml", "utf8"))!;
    expect(MOST_BUSY).toBeLessThanOrEqual(0.8 * Number(ms!.replaceAll("_", "")));
  });
});

function replay(sql: string): Promise<Image> {
  async function* text() {
    yield new TextEncoder().encode(
      `PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n${sql}\nCOMMIT;\n`,
    );
  }
  return replayDumpWith(wasm, text());
}

describe("a dump with counters and without the table that they count", () => {
  const counters = `CREATE TABLE t(a);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence(rowid,name,seq) VALUES(1,'gone',7);`;

  it("is replayed with the statement that makes their table, and no other DROP", async () => {
    const image = await replay(counters);
    const names = "SELECT group_concat(name, ' ') FROM sqlite_schema";
    expect(await image.rows(names, (row) => row.text(0))).toEqual(["t sqlite_sequence"]);
    const rows = "SELECT name || seq FROM sqlite_sequence";
    expect(await image.rows(rows, (row) => row.text(0))).toEqual(["gone7"]);
    image.close();
    for (const drop of ["DROP TABLE t;", 'DROP TABLE  "nightjar makes sqlite_sequence";'])
      await expect(replay(`${counters}\n${drop}`), drop).rejects.toMatchObject({
        code: expect.stringMatching(/^(DUMP_UNSAFE|DRILL_IMPOSSIBLE)$/) as string,
      });
  });
});

describe("a dump whose rows compute long values", () => {
  it("is replayed within the budget of its steps", async () => {
    const rows = "INSERT INTO t(a) VALUES(1);\n".repeat(4000);
    for (const value of ["length(zeroblob(1000000 + a))", "length(printf('%*s', 1000000, a))"])
      await expect(
        replay(
          `CREATE TABLE t(a, b DEFAULT (length(randomblob(1000000))), c AS (${value}) STORED);\n${rows}`,
        ),
        value,
      ).rejects.toMatchObject({
        code: "QUERY_LIMIT",
        message: expect.stringMatching(/steps of SQLite's machine/) as string,
      });
  });

  it("is refused a value that is longer than the dump", async () => {
    const sql =
      "CREATE TABLE t(a, b DEFAULT (length(randomblob(20000000))));\nINSERT INTO t(a) VALUES(1);";
    await expect(replay(sql)).rejects.toMatchObject({ code: "DRILL_IMPOSSIBLE" });
  });
});

describe("values that are long and short-lived", () => {
  it("count as steps, of which a database may take so many", async () => {
    const image = await open(
      makeFile("CREATE TABLE t(a); INSERT INTO t VALUES (printf('%.*c', 400000, 'x'))"),
    );
    const long = "length(a || 'y') + ".repeat(10);
    const before = image.steps;
    await image.rows(
      `SELECT ${long} x0.rowid FROM t x0, json_each('[1,2,3,4,5,6,7,8]') x1,
      json_each('[1,2,3,4,5,6,7,8]') x2`,
      () => 0,
    );
    expect(image.steps - before).toBeGreaterThan(50_000);
    image.close();
  });
});

describe("a schema that is too large", () => {
  const objects = (count: number, sql: string) =>
    `PRAGMA writable_schema=ON; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${count})
     INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) SELECT 'view', 'v' || i, 'v' || i, 0, ${sql} FROM c`;
  const view = (length: number) =>
    `printf('CREATE VIEW v%d AS SELECT 1 /*%.*c*/', i, ${length}, 'x')`;

  it.each([
    [
      "one long text",
      `CREATE TABLE t(a INT) STRICT${",STRICT".repeat(160_000)}`,
      /an object of 11/,
    ],
    ["many long texts", objects(20, view(500_000)), /more than 8388608 bytes/],
    ["many objects", objects(100_001, view(1)), /more than 100000 objects/],
  ])("is refused before SQLite reads it: %s", async (_, sql, words) => {
    const path = makeFile(sql);
    await expect(open(path)).rejects.toMatchObject({
      code: "SCHEMA_TOO_LARGE",
      message: expect.stringMatching(words) as string,
      hint: expect.stringContaining("docs/limits.md") as string,
    });
  });

  it("is refused where SQLite has made it itself", async () => {
    const views = Array.from({ length: 20 }, (_, at) => {
      return `CREATE VIEW v${at} AS SELECT 1 /*${"x".repeat(500_000)}*/;`;
    });
    const image = await replay(views.join("\n"));
    await expect(readSchema(image)).rejects.toMatchObject({ code: "SCHEMA_TOO_LARGE" });
    image.close();
    const long = await replay(`CREATE TABLE t(a INT) STRICT${",STRICT".repeat(160_000)};`);
    await expect(readSchema(long)).rejects.toMatchObject({ code: "SCHEMA_TOO_LARGE" });
    long.close();
  });

  it.each(["UTF-8", "UTF-16le"])(
    "is refused for the indexes of one table, whatever the length of their names: %s",
    async (encoding) => {
      for (const long of ["", "n".repeat(600)])
        for (const count of [5000, 4999]) {
          const path = makeFile(
            `PRAGMA page_size=512; PRAGMA encoding='${encoding}'; CREATE TABLE t${long}(a); PRAGMA writable_schema=ON;
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${count})
             INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql)
             SELECT 'index', 'i' || i, iif(i % 2, 't', 'T') || '${long}', 2 + i, 'CREATE INDEX i' || i || ' ON t${long}(a)' FROM c`,
          );
          const census = refuseLargeSchema(pagesOf(readFileSync(path)));
          if (count < 5000) await census;
          else
            await expect(census).rejects.toMatchObject({
              code: "SCHEMA_TOO_LARGE",
              message: expect.stringContaining("indexes and triggers of one table") as string,
            });
        }
    },
  );

  it("leaves pages that are no tree to SQLite", async () => {
    const file = new Uint8Array(
      readFileSync(makeFile("CREATE TABLE t(a); CREATE INDEX i ON t(a)")),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        async (changes, start) => {
          const broken = file.slice();
          for (const [at, byte] of changes) broken[start ? 100 + (at % 20) : at] = byte;
          broken.set(file.subarray(0, 20));
          await refuseLargeSchema(pagesOf(broken)).catch((thrown: unknown) => {
            expect(thrown).toMatchObject({ code: "SCHEMA_TOO_LARGE" });
          });
        },
      ),
    );
  });

  it("is none that an application has", async () => {
    const columns = Array.from(
      { length: 2000 },
      (_, at) => `column_${at} TEXT NOT NULL DEFAULT ''`,
    );
    const path = makeFile(
      `CREATE TABLE wide(${columns.join(", ")})`,
      `CREATE TRIGGER r AFTER INSERT ON wide BEGIN ${"SELECT 'some words';".repeat(10_000)} END`,
      objects(5000, view(100)),
    );
    const image = await open(path);
    expect((await imageFacts(image)).tables).toMatchObject([{ name: "wide" }]);
    image.close();
  });
});

describe("the readers of a schema's text", () => {
  const MANY = 50_000;
  it.each([
    ["options", (sql: string) => tableOptions(sql), `CREATE TABLE t(a)${",strict".repeat(MANY)}`],
    [
      "columns",
      (sql: string) => readTableDefinition(sql),
      `CREATE TABLE t("a" ${"x ".repeat(MANY)})`,
    ],
    [
      "strings",
      (sql: string) => withStringLiterals(sql, ["a"]),
      `CREATE TABLE t("a" ${"x ".repeat(MANY)})`,
    ],
  ])("hold a few tokens at once: %s", (_, read, sql) => {
    const lists: Pick<unknown[], "push"> = Array.prototype;
    const { push } = lists;
    let longest = 0;
    lists.push = function count(...items: unknown[]) {
      const length = push.apply(this as unknown[], items);
      longest = Math.max(longest, length);
      return length;
    };
    try {
      read(sql);
    } finally {
      lists.push = push;
    }
    expect(longest).toBeLessThan(10);
  });
});
