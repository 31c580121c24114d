import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NightjarError } from "../../../src/errors/errors.ts";
import { createdColumns } from "../../../src/format/sql/created-columns.ts";
import { DumpInspector } from "../../../src/format/dump/inspector.ts";
import { insertedRow } from "../../../src/format/sql/literal.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const HEAD = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";

function inspect(bytes: Uint8Array | string) {
  const inspector = new DumpInspector();
  inspector.push(typeof bytes === "string" ? encode(bytes) : bytes);
  return inspector.end();
}

/** Dumps of random tables, as sqld writes them. */
const cell = fc.oneof(
  fc.constant("NULL"),
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.string().map((text) => `'${text.replaceAll("'", "''").replaceAll("\0", "")}'`),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => `X'${Buffer.from(bytes).toString("hex")}'`),
);
const table = fc.record({
  name: fc.constantFrom("a", "b2", "c_d"),
  rows: fc.array(fc.tuple(cell, cell), { maxLength: 6 }),
});
const dump = fc.uniqueArray(table, { selector: ({ name }) => name }).map((tables) => ({
  tables,
  sql: `${HEAD}${tables
    .map(({ name, rows }) =>
      [
        `CREATE TABLE IF NOT EXISTS ${name}(x, y);\n`,
        ...rows.map(([x, y]) => `INSERT INTO ${name}(rowid,x,y) VALUES(1,${x},${y});\n`),
      ].join(""),
    )
    .join("")}COMMIT;\n`,
}));

describe("the dump inspector", () => {
  it("counts the rows of every table", () => {
    fc.assert(
      fc.property(dump, ({ tables, sql }) => {
        const wanted = tables.map(({ name, rows }) => ({ name, rows: rows.length }));
        expect(inspect(sql).tables).toEqual(wanted);
      }),
    );
  });

  it("refuses every dump that is cut anywhere", () => {
    fc.assert(
      fc.property(dump, fc.nat(), ({ sql }, place) => {
        const bytes = encode(sql);
        expect(() => inspect(bytes.slice(0, place % bytes.length))).toThrow(/dump/i);
      }),
    );
  });

  it("refuses every dump that something follows", () => {
    fc.assert(
      fc.property(dump, fc.string({ minLength: 1 }), ({ sql }, more) => {
        expect(() => inspect(sql + more)).toThrow(NightjarError);
      }),
    );
  });

  it("refuses what only looks like an end", () => {
    const insert = "CREATE TABLE IF NOT EXISTS a(x);\nINSERT INTO a VALUES(";
    expect(() => inspect(`${HEAD}${insert}'COMMIT;\n`)).toThrow(/does not end with a COMMIT/);
    expect(() => inspect(`${HEAD}COMMIT;`)).toThrow(/does not end with a COMMIT/);
    expect(() => inspect(`${HEAD}COMMIT;\n\n`)).toThrow(/does not end with a COMMIT/);
    expect(() => inspect(`${HEAD}COMMIT;\n'COMMIT;\n`)).toThrow(/does not end with a COMMIT/);
    expect(() => inspect(`${HEAD}-- COMMIT;\n`)).toThrow(/does not end with a COMMIT/);
    expect(() => inspect(`${HEAD}ROLLBACK; -- due to errors\n`)).toThrow(/ROLLBACK/);
    expect(() => inspect(`${HEAD}COMMIT;\nINSERT INTO a VALUES(1);\n`)).toThrow(/after the COMMIT/);
  });

  it("knows at once what is no dump", () => {
    const inspector = new DumpInspector();
    expect(() => inspector.push(encode("<!doctype html>"))).toThrow("<!doctype html>");
  });

  it("hashes the schema and nothing but the schema", () => {
    const hash = (create: string, rows: string) =>
      inspect(`${HEAD}${create}${rows}COMMIT;\n`).schemaHash;
    const create = "CREATE TABLE IF NOT EXISTS a(x);\n";
    expect(hash(create, "INSERT INTO a VALUES(1);\n")).toBe(hash(create, ""));
    expect(hash("CREATE TABLE IF NOT EXISTS a(x, y);\n", "")).not.toBe(hash(create, ""));
    expect(hash(create, "CREATE INDEX i ON a(x);\n")).not.toBe(hash(create, ""));
  });

  it("counts no rows for a virtual table, and knows quoted names", () => {
    const sql = `${HEAD}PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','f','f',0,'CREATE VIRTUAL TABLE f using fts5(x)');
CREATE TABLE IF NOT EXISTS "my (odd) table"(x);
INSERT INTO "my (odd) table"(rowid,x) VALUES(1,2);
INSERT INTO "my (odd) table"(rowid,x) VALUES(2,2);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence(rowid,name,seq) VALUES(1,'a',3);
COMMIT;\n`;
    expect(inspect(sql).tables).toEqual([
      { name: "f", rows: null },
      { name: "my (odd) table", rows: 2 },
    ]);
  });

  it("warns of values that do not restore, with the table", () => {
    const sql = `${HEAD}CREATE TABLE IF NOT EXISTS a(x);
INSERT INTO a(rowid,x) VALUES(1,inf);
INSERT INTO a(rowid,x) VALUES(2,-inf);
INSERT INTO a(rowid,x) VALUES(3,'a\0b');
COMMIT;\n`;
    expect(inspect(sql).warnings).toMatchObject([
      { code: "INFINITY", where: "a", count: 2 },
      { code: "NUL_IN_TEXT", where: "a", count: 1 },
    ]);
  });

  it("tells of a comment that hides the end of a schema object", () => {
    const hidden = `${HEAD}CREATE TABLE IF NOT EXISTS a(x);
CREATE INDEX i ON a(x) -- note;
CREATE INDEX j ON a(x);
COMMIT;\n`;
    expect(inspect(hidden).warnings).toMatchObject([
      { code: "COMMENT_HIDES_END", where: "CREATE INDEX i ON a(x) -- note" },
    ]);
    const last = `${HEAD}CREATE TABLE IF NOT EXISTS a(x);\nCREATE INDEX i ON a(x) -- note;\nCOMMIT;\n`;
    expect(() => inspect(last)).toThrow(/hides the dump's COMMIT: CREATE INDEX i/);
    const inside = `${HEAD}CREATE TABLE IF NOT EXISTS a(x, -- one;\n y);\nCOMMIT;\n`;
    expect(inspect(inside).warnings).toEqual([]);
  });

  it("tells tables apart whose names are not ASCII", () => {
    const names = ["éé(a", "éé(b"];
    const sql = names.map(
      (name) => `CREATE TABLE IF NOT EXISTS "${name}"(x);\nINSERT INTO "${name}" VALUES(1);\n`,
    );
    expect(inspect(`${HEAD}${sql.join("")}COMMIT;\n`).tables).toEqual(
      names.map((name) => ({ name, rows: 1 })),
    );
  });

  it.each([
    {
      name: "__drizzle_migrations",
      create: "(id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)",
      columns: "id,hash,created_at",
      row: (name: string) => `1,'${name}',17`,
    },
    {
      name: "_prisma_migrations",
      create: '("id" TEXT, "checksum" TEXT, "finished_at" DATETIME, "migration_name" TEXT)',
      columns: "id,checksum,finished_at,migration_name",
      row: (name: string) => `'u','c',NULL,'${name}'`,
    },
    {
      name: "knex_migrations",
      create: "(`id` integer, `name` varchar(255), `batch` integer)",
      columns: "id,name,batch",
      row: (name: string) => `4,'${name}',1`,
    },
    {
      name: "schema_migrations",
      create: '("version" varchar NOT NULL PRIMARY KEY)',
      columns: "version",
      row: (name: string) => `'${name}'`,
    },
  ])("reads the newest migration of $name", ({ name, create, columns, row }) => {
    const dump = (insert: string, lead: string) =>
      `${HEAD}CREATE TABLE IF NOT EXISTS "${name}" ${create};\n` +
      `${insert} VALUES(${lead}${row("0001_first")});\n` +
      `${insert} VALUES(${lead}${row("0002_it''s newer")});\nCOMMIT;\n`;
    const newest = { table: name, name: "0002_it's newer" };
    expect(inspect(dump(`INSERT INTO ${name}`, "")).migration).toEqual(newest);
    const kept = dump(`INSERT INTO ${name}(rowid,${columns})`, "1,");
    expect(inspect(kept).migration).toEqual(newest);
  });
});

describe("an inserted row", () => {
  it("comes back as sqld wrote it", () => {
    expect(
      insertedRow(
        "INSERT INTO t(rowid,\"a b\",\"c,)\",[d],`e`,ä) VALUES(1,NULL,-2.5e-7,X'0aff','it''s',replace(replace('a\\nb\\r','\\r',char(13)),'\\n',char(10)));\n",
      ),
    ).toEqual({
      table: "t",
      columns: ["rowid", "a b", "c,)", "d", "e", "ä"],
      values: ["1", null, "-2.5e-7", "0aff", "it's", "a\nb\r"],
      kinds: ["number", "null", "number", "blob", "text", "text"],
    });
    expect(insertedRow(`INSERT INTO "t (" VALUES(1);`)).toEqual({
      ...{ table: "t (", columns: undefined, values: ["1"], kinds: ["number"] },
    });
    expect(insertedRow("INSERT INTO t VALUES(inf);")).toBeUndefined();
    expect(insertedRow("INSERT INTO t SELECT 1;")).toBeUndefined();
    expect(insertedRow("DELETE FROM t;")).toBeUndefined();
  });
});

describe("the columns of a CREATE TABLE", () => {
  it.each([
    ["CREATE TABLE t(a, b TEXT NOT NULL DEFAULT ('x,' || (1)), c)", ["a", "b", "c"]],
    ["CREATE TABLE t(price DECIMAL(10,2), email TEXT)", ["price", "email"]],
    [
      'CREATE TABLE IF NOT EXISTS "t (x"("a ""b"", c" INT, [d,e], `f`, \'g\')',
      ['a "b", c', "d,e", "f", "g"],
    ],
    ["CREATE TABLE t(/* a, */ b -- (c\n, d)", ["b", "d"]],
    [
      "CREATE TABLE t(a, b AS (upper(c)), c, d TEXT GENERATED ALWAYS AS (a) STORED, e)",
      ["a", "c", "e"],
    ],
    ['CREATE TABLE t(a, "check", PRIMARY KEY (a, "check"), b_is_none) STRICT', ["a", "check"]],
  ])("%s", (create, columns) => {
    expect(createdColumns(create)).toEqual(columns);
  });
});
