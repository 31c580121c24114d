import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tursoOnly, tursoOnlyWords } from "../../../src/format/tables/turso-only.ts";
import { DatabaseSync } from "node:sqlite";

/** Rows of sqlite_schema, from their SQL. */
const of = (type: string, name: string, sql: string | null) => ({ type, name, sql });
const featureOf = (type: string, sql: string) => tursoOnly([of(type, "it", sql)])[0]?.feature;

describe("a schema that only Turso's engine reads", () => {
  it.each([
    ["view", "CREATE MATERIALIZED VIEW it AS SELECT 1", "materialized view"],
    ["view", "create /* a */ materialized view if not exists it as select 1", "materialized view"],
    ["index", "CREATE INDEX it ON docs USING fts (body)", "index method fts"],
    [
      "index",
      'CREATE UNIQUE INDEX IF NOT EXISTS "i t" ON [a b] USING "x y"(c)',
      "index method x y",
    ],
    ["table", "CREATE TABLE it (id INTEGER PRIMARY KEY, a cents) STRICT", "custom type cents"],
    [
      "table",
      "CREATE TABLE it (a cents NOT NULL, b numeric (10, 2), c INTEGER[], d cents) STRICT",
      "custom types cents, numeric (10, 2), INTEGER[]",
    ],
  ])("is known by the text of a %s: %s", (type, sql, feature) => {
    expect(featureOf(type, sql)).toBe(feature);
  });

  it("is known by the table of custom types, which has no index for its key", () => {
    const types = of("table", "__turso_internal_types", "CREATE TABLE x(name TEXT PRIMARY KEY)");
    const index = of("index", "sqlite_autoindex___turso_internal_types_1", null);
    expect(tursoOnly([types])).toEqual([{ name: types.name, feature: "custom types" }]);
    expect(tursoOnly([types, index])).toEqual([]);
  });

  it("is none that SQLite itself reads", () => {
    const schema = [
      'CREATE TABLE materialized ("using" TEXT, strict ANY) STRICT',
      "CREATE TABLE plain (a cents, b numeric(10,2), c INTEGER[])",
      "CREATE TABLE typed (a int, b Integer NOT NULL, c REAL DEFAULT 1, d TEXT COLLATE nocase, e BLOB, f ANY GENERATED ALWAYS AS (a) STORED, PRIMARY KEY (a, b), CHECK (a IN (1))) WITHOUT ROWID, STRICT",
      'CREATE INDEX "using" ON materialized ("using")',
      "CREATE UNIQUE INDEX IF NOT EXISTS [on using] ON typed (a) WHERE d = 'USING x'",
      "CREATE VIEW IF NOT EXISTS v AS SELECT 'materialized view', \"using\" FROM materialized",
    ];
    const database = new DatabaseSync(":memory:");
    for (const sql of schema) database.exec(sql);
    const rows = database.prepare("SELECT type, name, sql FROM sqlite_schema").all();
    database.close();
    expect(rows.length).toBe(schema.length);
    expect(tursoOnly(rows as ReturnType<typeof of>[])).toEqual([]);
  });

  it("is one whose STRICT table SQLite refuses, for any type and rules of a column", () => {
    const word = fc.constantFrom("INT", "integer", "Real", "TEXT", "blob", "Any", "cents", "uuid");
    const type = fc.oneof(
      { weight: 3, arbitrary: word },
      fc
        .tuple(word, fc.constantFrom("(10)", " (10, 2)", "[]", " long"))
        .map((parts) => parts.join("")),
      fc.tuple(fc.constantFrom('"', "'", "`"), word).map(([quote, name]) => quote + name + quote),
    );
    const blank = fc.constantFrom(" ", "\n", " /* cents */ ", " -- uuid\n");
    const rule = fc.constantFrom(
      ...["", "NOT NULL", "NULL", "UNIQUE", "DEFAULT (1)", "DEFAULT -1", "COLLATE nocase"],
      ...["REFERENCES t(a)", "CHECK (a IN ('cents', 1))", "CONSTRAINT uuid CHECK (1)"],
      ...["AS (length('cents'))", "ON CONFLICT FAIL"],
    );
    const column = fc.tuple(type, blank, rule, blank).map((parts) => parts.join(""));
    const columns = fc.array(column, { minLength: 1, maxLength: 3 });
    let refused = 0;
    fc.assert(
      fc.property(columns, blank, (of, gap) => {
        const list = of.map((definition, at) => `c${at} ${definition}`).join(`,${gap}`);
        const sql = `CREATE TABLE t(${gap}a INT,${list})${gap}STRICT`;
        const database = new DatabaseSync(":memory:");
        let said = "";
        try {
          database.exec(sql);
        } catch (thrown) {
          said = String(thrown);
        }
        database.close();
        fc.pre(said === "" || said.includes("unknown datatype"));
        if (said !== "") refused++;
        const found = tursoOnly([{ type: "table", name: "t", sql }]);
        expect(found.length, `${sql}: ${said}`).toBe(said === "" ? 0 : 1);
      }),
    );
    expect(refused).toBeGreaterThan(10);
  });

  it("is named in a message of a bounded length", () => {
    const many = Array.from({ length: 1000 }, (_, at) => ({ name: `t${at}`, feature: "x" }));
    const long = { name: "n".repeat(1_000_000), feature: "x" };
    expect(tursoOnlyWords([long, long, ...many]).length).toBeLessThan(600);
    expect(tursoOnlyWords(many)).toMatch(/t0 \(x\), .*t4 \(x\) and 995 more\.$/);
  });
});
