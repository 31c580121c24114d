import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { schemaFault, type SchemaType } from "../../../src/format/sql/schema-statement.ts";
import { END, tokenReader } from "../../../src/format/sql/tokens.ts";

function tokensOf(sql: string): string[] {
  const next = tokenReader(sql);
  const tokens: string[] = [];
  for (let token = next(); token !== END; token = next())
    tokens.push(`${token.kind} ${token.text}`);
  return tokens;
}

describe("the tokens of SQL", () => {
  it("are those of SQLite", () => {
    expect(tokensOf(`a1$ "b""c" 'd''' \`e\` [f] /* g */ h -- i\n.5`)).toEqual([
      "word a1$",
      'quoted b"c',
      "quoted d'",
      "quoted e",
      "quoted f",
      "word h",
      "character .",
      "word 5",
    ]);
  });

  it("know variables, with what Tcl puts into parentheses", () => {
    expect(tokensOf("$a(') @b::c(;) :d #e $f( g) $ a$(b)")).toEqual([
      "variable $a(')",
      "variable @b::c(;)",
      "variable :d",
      "variable #e",
      "variable $f(",
      "word g",
      "character )",
      "character $",
      "word a$",
      "character (",
      "word b",
      "character )",
    ]);
  });

  it("reach to the end where a quote is not closed", () => {
    for (const quote of ["'", '"', "`", "["])
      expect(tokensOf(`a ${quote}b ${quote}${quote}c;`).at(-1)).toMatch(
        /^(unterminated|character)/,
      );
    expect(tokensOf("a [[[b")).toEqual(["word a", "unterminated [[b"]);
  });

  it("cover all of the text but white space and comments", () => {
    const piece = fc.constantFrom(..."'\"`[]$@#:();-/*\n ab0\0é", "--", "/*", "*/", "::", "''");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const sql = pieces.join("");
        const next = tokenReader(sql);
        let at = 0;
        for (let token = next(); token !== END; token = next()) {
          expect(token.end).toBeGreaterThan(token.start);
          expect(sql.slice(at, token.start)).toMatch(/^(\s|--.*\n|\/\*[^]*\*\/)*$/);
          at = token.end;
        }
        expect(sql.slice(at)).toMatch(/^(\s|--.*(\n|$)|\/\*[^]*)*$/);
      }),
    );
  });
});

describe("the text of a schema row", () => {
  it("is sound for whatever SQLite itself made", () => {
    const database = new DatabaseSync(":memory:");
    database.exec(`
      CREATE TABLE "a;b"(c DEFAULT 'x;y' /* ; */ CHECK (c <> ';')) -- ;
      ;
      CREATE UNIQUE INDEX i ON "a;b"(c) WHERE c > ';';
      CREATE TEMP VIEW t AS SELECT 1;
      CREATE VIEW v AS SELECT go
.read FROM (SELECT 1 AS read, 2 AS go) go;
      CREATE VIRTUAL TABLE f USING fts5(a /*');
      DROP TABLE x;
      --*/);
      CREATE TRIGGER begin AFTER INSERT ON "a;b" WHEN CASE WHEN 1 THEN 1 END BEGIN
        SELECT CASE 1 WHEN 1 THEN ';' END; DELETE FROM "a;b" WHERE c = 'END'; END;
      CREATE TABLE copy AS SELECT * FROM "a;b";`);
    const rows = database.prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql > ''").all();
    expect(rows.length).toBeGreaterThan(6);
    for (const { type, name, sql } of rows)
      expect([name, schemaFault(type as SchemaType, sql as string)]).toEqual([name, undefined]);
  });

  it.each([
    ["view", "CREATE VIEW v AS SELECT 1; ATTACH 'x' AS y"],
    ["view", "CREATE TABLE v(a)"],
    ["view", "ATTACH 'x' AS y"],
    ["view", "CREATE VIEW v AS SELECT 'a"],
    ["view", "CREATE VIEW v AS SELECT 1\0; DROP TABLE t"],
    ["table", "CREATE VIRTUAL TABLE v USING fts5(a, $b(;)\n.read x)"],
    ["table", "CREATE VIRTUAL TABLE v USING fts5(a; b)"],
    ["table", "CREATE VIEW t AS SELECT 1"],
    ["index", "CREATE INDEX i ON t(a) WHERE $a(')"],
    ["trigger", "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; DROP TABLE t"],
    ["trigger", "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; END"],
    ["trigger", "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1;"],
  ] as const)("of a %s has a fault: %s", (type, sql) => {
    expect(schemaFault(type, sql)).toBeTypeOf("string");
  });
});
