import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  checkIntegrity,
  type Integrity,
  integrityWords,
  lackOf,
} from "../../../src/format/tables/integrity.ts";

/** Judge what SQLite finds in a database made by the shell. */
async function judged(sql: string): Promise<Integrity> {
  const file = join(mkdtempSync(join(tmpdir(), "integrity-")), "it.db");
  execFileSync("sqlite3", [file], { input: sql });
  const database = new DatabaseSync(file);
  try {
    const rows = (text: string) =>
      database
        .prepare(text)
        .all()
        .map((row) => String(Object.values(row)[0]));
    const schema = database
      .prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")
      .all()
      .map(({ type, name, tbl_name: table, sql: text }) => ({
        type: String(type),
        name: String(name),
        table: String(table),
        sql: text === null ? null : String(text),
      }));
    return await checkIntegrity(async (text) => rows(text), "integrity_check", schema);
  } finally {
    database.close();
  }
}

/** The same with its schema rewritten, as libSQL's ALTER COLUMN does. */
const altered = (create: string, rows: string, name: string, sql: string) =>
  `${create} ${rows} PRAGMA writable_schema=ON;
   UPDATE sqlite_schema SET sql = '${sql.replaceAll("'", "''")}' WHERE name = '${name}';`;

describe("what integrity_check finds", () => {
  it("is nothing in a sound database", async () => {
    const found = await judged(
      "CREATE TABLE t(a PRIMARY KEY, b UNIQUE); INSERT INTO t VALUES(1, 2);",
    );
    expect(found).toEqual({ damage: [], rules: [], lacking: [] });
    expect(integrityWords(found)).toBeUndefined();
  });

  it.each([
    [
      "a NULL in a NOT NULL column",
      "INSERT INTO t VALUES (NULL);",
      "CREATE TABLE t(b TEXT NOT NULL DEFAULT 'new')",
      /NULL value in t\.b/,
    ],
    [
      "a CHECK",
      "INSERT INTO t VALUES ('x');",
      "CREATE TABLE t(b TEXT CHECK (b <> 'x'))",
      /CHECK constraint failed in t/,
    ],
    [
      "another type",
      "INSERT INTO t VALUES ('x');",
      "CREATE TABLE t(b INT) STRICT",
      /non-INT value in t\.b/,
    ],
    [
      "another affinity",
      "INSERT INTO t VALUES ('7');",
      "CREATE TABLE t(b INTEGER)",
      /TEXT value in t\.b/,
    ],
  ])("is a rule that rows break: %s", async (_, rows, sql, words) => {
    const found = await judged(altered("CREATE TABLE t(b TEXT);", rows, "t", sql));
    expect(found.damage).toEqual([]);
    expect(found.rules.join()).toMatch(words);
    expect(integrityWords(found)).toContain("as in the source");
  });

  it("is damage where an index has other rows than its table", async () => {
    const other = altered(
      "CREATE TABLE t(a, b); CREATE INDEX i ON t(a);",
      "INSERT INTO t VALUES (1, 2);",
      "i",
      "CREATE INDEX i ON t(b)",
    );
    const { damage, rules } = await judged(other);
    expect(damage.join()).toMatch(/row 1 missing from index i/);
    expect(rules).toEqual([]);
  });

  it.each([
    ["an expression", "CREATE INDEX i ON t(b || '')"],
    ["a call", "CREATE INDEX i ON t(upper(b))"],
  ])("is reported where %s decides what the index has", async (_, sql) => {
    const found = await judged(
      altered(
        "CREATE TABLE t(a, b); CREATE INDEX i ON t(a);",
        "INSERT INTO t VALUES (1, 2);",
        "i",
        sql,
      ),
    );
    expect(found.damage).toEqual([]);
    expect(found.rules.join()).toMatch(/index i/);
  });

  it("is reported where a condition decides what the index has", async () => {
    const index = (sql: string) => [{ type: "index", name: "i", table: "t", sql }];
    const ask = async () => ["wrong # of entries in index i"];
    const partial = index("CREATE INDEX i ON t(a) WHERE b = 5");
    expect(await checkIntegrity(ask, "integrity_check", partial)).toMatchObject({ damage: [] });
    const plain = index('CREATE INDEX i ON t(a COLLATE NOCASE DESC, "b") /* WHERE */');
    expect(await checkIntegrity(ask, "integrity_check", plain)).toMatchObject({ rules: [] });
  });

  it("is damage where pages do not fit together", async () => {
    const ask = async () => [
      "*** in database main ***\nTree 2 page 3: btreeInitPage() returns error code 11\nPage 9: never used",
      "NULL value in t.b",
    ];
    expect(await checkIntegrity(ask, "integrity_check", [])).toEqual({
      damage: ["Tree 2 page 3: btreeInitPage() returns error code 11", "Page 9: never used"],
      rules: ["NULL value in t.b"],
      lacking: [],
    });
  });

  it("is asked table by table where SQLite lacks something", async () => {
    const asked: string[] = [];
    const ask = async (sql: string) => {
      asked.push(sql);
      if (!sql.includes('("t"')) throw new Error("unknown function: soundex()");
      return ["ok"];
    };
    const table = (name: string) => ({
      type: "table",
      name,
      table: name,
      sql: `CREATE TABLE ${name}(a)`,
    });
    const found = await checkIntegrity(ask, "integrity_check", [table('p"q'), table("t")]);
    expect(found).toEqual({ damage: [], rules: [], lacking: ["unknown function: soundex()"] });
    expect(asked).toEqual([
      "PRAGMA integrity_check(1000)",
      'PRAGMA integrity_check("p""q")',
      'PRAGMA quick_check("p""q")',
      'PRAGMA integrity_check("t")',
    ]);
    const broken = async () => {
      throw new Error("database disk image is malformed");
    };
    await expect(checkIntegrity(broken, "integrity_check", [])).rejects.toThrow(/malformed/);
  });

  it.each([
    ["no such module: vec0", "no such module: vec0"],
    ["no such collation sequence: unicode", "no such collation sequence: unicode"],
    ['foreign key mismatch - "c" referencing "p"', 'foreign key mismatch - "c" referencing "p"'],
    ["no such column: inf", undefined],
    ["database disk image is malformed", undefined],
  ])("may be an error that tells what SQLite lacks: %s", (message, lack) => {
    expect(lackOf(message)).toBe(lack);
  });
});
