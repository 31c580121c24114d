import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eraseFromDump } from "../../../src/format/dump/erase-dump.ts";
import { realText } from "../../../src/format/sql/real-text.ts";
import { type Erased, type Erasure, hashKey } from "../../../src/format/tables/erasure.ts";

const HEAD = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";

function entry(table: string, column: string, key: string): Erasure {
  const at = "2026-11-21T00:00:00.000Z";
  const salted = { salt: "salt", keyHash: hashKey("salt", key) };
  return {
    format: 1,
    id: "0123456789ab",
    database: "shop",
    table,
    column,
    ...salted,
    at,
    who: "x",
  };
}

/** Apply the list to a dump; returns the remaining SQL and what was erased. */
async function erase(dump: string, ...entries: Erasure[]): Promise<{ sql: string } & Erased> {
  return eraseOf("server", dump, entries);
}

async function eraseOf(
  origin: "server" | "nightjar",
  dump: string,
  entries: readonly Erasure[],
): Promise<{ sql: string } & Erased> {
  let report: Erased | undefined;
  let sql = "";
  const bytes = [new TextEncoder().encode(`${HEAD}${dump}COMMIT;\n`)].values();
  const chunks = async function* () {
    yield* bytes;
  };
  for await (const chunk of eraseFromDump(chunks(), entries, origin, (erased) => (report = erased)))
    sql += new TextDecoder().decode(chunk);
  return { sql, ...report! };
}

describe("an erasure list, over a dump", () => {
  // As sqld writes them: the schema's own text, with quotes not doubled.
  const names = [
    `search`,
    `"search (old)"`,
    `'search (old)'`,
    "`search (old)`",
    `[search (old)]`,
    `"search using rtree("`,
    `search /* of (all) */`,
    `search -- of (all)\n`,
    `"${"long".repeat(1100)}"`,
    `search /*${" ".repeat(5000)}*/`,
  ].map((name) => [name.slice(0, 24), name]);
  it.each(names)("is not applied where a full-text index keeps the words: %s", async (_, name) => {
    for (const using of [
      `USING fts5(body, content='posts')`,
      `USING/**/"FTS4"(body, content="posts")`,
      `using\n[fts5](conten=[posts], body)`,
    ]) {
      const index = `PRAGMA writable_schema=ON;\nINSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','x','x',0,'CREATE VIRTUAL TABLE ${name} ${using}');\n`;
      const rows =
        "CREATE TABLE IF NOT EXISTS Posts(who);\nINSERT INTO Posts(rowid,who) VALUES(1,'bob');\n";
      for (const dump of [index + rows, rows + index])
        await expect(erase(dump, entry("posts", "who", "bob")), using).rejects.toMatchObject({
          code: "ERASURE_FAILED",
        });
      expect((await erase(index + rows, entry("posts", "who", "eve"))).sql).toContain("bob");
    }
  });

  it("is not held up by a full-text index that has nothing to do with the rows", async () => {
    const index = `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','x','x',0,'CREATE VIRTUAL TABLE x USING fts4(body)');\n`;
    const rows =
      "CREATE TABLE IF NOT EXISTS t(who TEXT);\nINSERT INTO t(rowid,who) VALUES(1,'bob');\n";
    expect((await erase(index + rows, entry("t", "who", "bob"))).sql).not.toContain("bob");
  });

  it.each([
    ["a view may be over the rows", "fts5(body, content=seen)", "CREATE VIEW seen AS SELECT 1;\n"],
    [
      "triggers fill it",
      "fts5(body, content='')",
      "CREATE TRIGGER ai AFTER INSERT ON T BEGIN INSERT INTO [X](body) VALUES (new.who); END;\n",
    ],
  ])("is not applied to a full-text index where %s", async (_, using, more) => {
    const index = `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','x','x',0,'CREATE VIRTUAL TABLE x USING ${using}');\n`;
    const rows =
      "CREATE TABLE IF NOT EXISTS t(who TEXT);\nINSERT INTO t(rowid,who) VALUES(1,'bob');\n";
    await expect(erase(index + rows + more, entry("t", "who", "bob"))).rejects.toMatchObject({
      code: "ERASURE_FAILED",
    });
    expect((await erase(index + rows + more, entry("t", "who", "eve"))).sql).toContain("bob");
  });

  it("is not applied to a virtual table, whose rows are in other tables", async () => {
    const index = `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','x','x',0,'CREATE VIRTUAL TABLE x USING rtree(id,a,b)');\n`;
    await expect(erase(index, entry("X", "id", "1"))).rejects.toMatchObject({
      code: "ERASURE_FAILED",
    });
  });

  it.each([
    // As sqld writes them: whole REALs without a decimal point, no exponents.
    ["a REAL", "1", "1.0"],
    ["a REAL", "100000000000000000000", "1.0e+20"],
    ["a REAL", "0.30000000000000004", "0.3"],
    ["a DOUBLE PRECISION", "-0.00000025", "-2.5e-07"],
    ["a INTEGER", "1", "1"],
    ["a DECIMAL(10,2)", "7", "7"],
    ["a NUMERIC", "1.5", "1.5"],
    ["a", "123456789.12345679", "123456789.123457"],
    ["a", "'1.0'", "1.0"],
    ["a", "X'626F62'", "bob"],
    ["a", "'it''s'", "it's"],
    ["a TEXT", "replace(replace('a\\nb\\rc','\\r',char(13)),'\\n',char(10))", "a\nb\rc"],
  ])("finds in %s the value %s by the key %s, and by no other", async (column, literal, key) => {
    const create = `CREATE TABLE IF NOT EXISTS t(${column}, v);\n`;
    const dump = `${create}INSERT INTO t(rowid,a,v) VALUES(1,${literal},2);\n`;
    expect((await erase(dump, entry("t", "a", key))).tables).toEqual([{ table: "t", rows: 1 }]);
    for (const other of [literal, `${key} `, "626F62", "626f62"].filter((text) => text !== key))
      expect((await erase(dump, entry("t", "a", other))).tables).toEqual([]);
  });

  it("gives nothing where nobody can tell which number it was", async () => {
    for (const type of ["", "BLOB"]) {
      const dump = `CREATE TABLE IF NOT EXISTS t(a ${type});\nINSERT INTO t(rowid,a) VALUES(1,1);\n`;
      for (const key of ["1", "1.0"])
        await expect(erase(dump, entry("t", "a", key))).rejects.toMatchObject({
          code: "ERASURE_FAILED",
          message: expect.stringContaining("may have been 1 or 1.0") as string,
        });
      expect((await erase(dump, entry("t", "a", "2"))).tables).toEqual([]);
    }
  });

  it("gives nothing where the column is computed", async () => {
    const dump = `CREATE TABLE IF NOT EXISTS t(a, b TEXT AS (lower(a)));\nINSERT INTO t(rowid,a) VALUES(1,'BOB');\n`;
    await expect(erase(dump, entry("t", "b", "bob"))).rejects.toMatchObject({
      code: "ERASURE_FAILED",
    });
  });

  it("writes REALs as SQLite does", () => {
    const database = new DatabaseSync(":memory:");
    // Whole numbers are bound as integers.
    const print = database.prepare("SELECT printf('%!.15g', ?1 * 1.0) AS text");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double({ noNaN: true, noDefaultInfinity: true }),
          fc.tuple(fc.integer(), fc.integer({ min: -20, max: 20 })).map(([n, e]) => n * 10 ** e),
        ),
        (value) => {
          // In the middle between two texts, SQLite's own versions differ.
          fc.pre(!value.toExponential(16).includes("50e"));
          const { text } = print.get(value) as { text: string };
          expect(realText(value)).toBe(text);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("is not held up by virtual tables of other kinds", async () => {
    const row = `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','x','x',0,'CREATE VIRTUAL TABLE "using fts5(" USING rtree(id, fts5, x)');`;
    expect((await erase(`${row}\n`, entry("people", "email", "bob"))).sql).toContain(row);
  });

  it.each([
    // Rows of such tables have no column list.
    ["t(price DECIMAL(10,2), email TEXT PRIMARY KEY) WITHOUT ROWID", "t VALUES(1.5,'bob')"],
    ["t(up AS (upper(email)), email PRIMARY KEY) WITHOUT ROWID", "t VALUES('bob')"],
    ["[t](`n, m`, 'email' PRIMARY KEY) WITHOUT ROWID", "t VALUES(1,'bob')"],
    ["t(a /* b, */, email PRIMARY KEY) WITHOUT ROWID", "t VALUES(1,'bob')"],
    ['T("a, b", EMail)', "T(rowid,\"a, b\",EMail) VALUES(1,2,'bob')"],
    [`"t"("a(b)", email)`, `t(rowid,"a(b)",email) VALUES(1,2,'bob')`],
  ])("leaves out the rows of %s", async (table, row) => {
    const create = `CREATE TABLE IF NOT EXISTS ${table};\n`;
    const kept = `INSERT INTO ${row.replace("bob", "ann")};\n`;
    const { sql, tables } = await erase(
      `${create}INSERT INTO ${row};\n${kept}`,
      entry("t", "email", "bob"),
    );
    expect(sql).toBe(`${HEAD}${create}${kept}COMMIT;\n`);
    expect(tables).toMatchObject([{ rows: 1 }]);
  });

  it.each(["sqlite_stat4", "sqlite_stat3", "SQLite_Stat4"])(
    "leaves out the samples of rows that %s keeps",
    async (samples) => {
      const kept =
        "CREATE TABLE IF NOT EXISTS t(who TEXT);\nANALYZE sqlite_schema;\nINSERT INTO sqlite_stat1 VALUES('t','by_who','2 1');\n";
      const sample = `INSERT INTO ${samples} VALUES('t','by_who','1 1','0 0','0 0',X'0313626F62');\n`;
      const { sql } = await erase(kept + sample, entry("t", "who", "bob"));
      expect(sql).toBe(`${HEAD}${kept}COMMIT;\n`);
    },
  );

  it("takes names that differ beyond ASCII for others", async () => {
    const dump = `CREATE TABLE IF NOT EXISTS Ä(Ö);\nINSERT INTO Ä(rowid,Ö) VALUES(1,'bob');\n`;
    expect((await erase(dump, entry("ä", "Ö", "bob"))).sql).toContain("bob");
    const { sql, unapplied } = await erase(dump, entry("Ä", "ö", "bob"));
    expect(sql).toContain("bob");
    expect(unapplied).toEqual([{ table: "Ä", column: "ö" }]);
    expect((await erase(dump, entry("Ä", "Ö", "bob"))).sql).not.toContain("bob");
  });

  it.each([
    "INSERT INTO t(a,b) VALUES('bob');",
    "INSERT INTO t SELECT 'bob';",
    "INSERT OR IGNORE INTO t VALUES('bob');",
    "INSERT INTO t VALUES(inf);",
    "INSERT INTO t VALUES('bob','x');",
  ])("gives nothing with a row that cannot be judged: %s", async (row) => {
    const dump = `CREATE TABLE IF NOT EXISTS t(email);\n${row}\n`;
    await expect(erase(dump, entry("t", "email", "bob"))).rejects.toMatchObject({
      code: "ERASURE_FAILED",
    });
  });

  it("gives nothing where quotes that sqld does not double hide rows in another statement", async () => {
    const odd = (name: string) =>
      `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','${name}','${name}',0,'CREATE VIRTUAL TABLE "${name}" USING rtree(id, a, b)');\n`;
    const rows = `CREATE TABLE IF NOT EXISTS t(email);\nINSERT INTO t(rowid,email) VALUES(1,'bob');\n`;
    await expect(
      erase(`${odd("it's")}${rows}${odd("he's")}`, entry("t", "email", "bob")),
    ).rejects.toMatchObject({ code: "ERASURE_FAILED" });
  });
});

describe("an erasure list, over SQL that Nightjar wrote of rows", () => {
  const rows = [
    `(1,'plain')`,
    `(2,CAST(X'6E756C0068657265' AS TEXT))`, // nul, a NUL byte, here
    `(3,9007199254740993)`,
    `(4,(-9223372036854775807-1))`,
    `(5,1*1.0*(1<<62)*(1<<62))`,
    `(6,4503599627370497*1.0/(1<<62)/(1<<62))`,
    `(7,1.0)`,
    `(8,1)`,
    `(9,9e999)`,
    `(10,replace('a\\rb','\\r',char(13)))`,
    `(11,X'6162')`,
  ];
  const dump =
    `CREATE TABLE "q""t"(id INTEGER PRIMARY KEY, v);\n` +
    rows.map((row) => `INSERT INTO "q""t"("id","v") VALUES${row};\n`).join("");

  for (const [what, key, left] of [
    ["text with NUL", "nul\0here", 2],
    ["an integer beyond 2^53", "9007199254740993", 3],
    ["the least integer", "-9223372036854775808", 4],
    ["a large REAL", realText(2 ** 124), 5],
    ["a small REAL", realText(4503599627370497 / 2 ** 124), 6],
    ["a whole REAL, and not the INTEGER", "1.0", 7],
    ["an INTEGER, and not the whole REAL", "1", 8],
    ["text with CR", "a\rb", 10],
  ] as const)
    it(`finds ${what}`, async () => {
      const { sql, tables } = await eraseOf("nightjar", dump, [entry('q"t', "v", key)]);
      expect(tables).toEqual([{ table: 'q"t', rows: 1 }]);
      expect(sql).not.toContain(`VALUES(${left},`);
      expect(sql.match(/INSERT/g)).toHaveLength(rows.length - 1);
    });
});
