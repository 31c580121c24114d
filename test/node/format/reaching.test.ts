import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DumpInspector } from "../../../src/format/dump/inspector.ts";
import { loadableText } from "../../../src/format/dump/loadable-dump.ts";
import { reachingName } from "../../../src/format/sql/reaching.ts";
import { schemaFault, type SchemaType } from "../../../src/format/sql/schema-statement.ts";
import { openImageWith } from "../../../src/sqlite/engine/image.ts";
import { writeSql } from "../../../src/sqlite/sql/write-sql.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { compiledWasm } from "../../support/wasm.ts";

/** SQL that runs a command or writes a file when a shell loads it: each was seen to do so. */
let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "nightjar-reaching-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const COMMAND = "edit('x','touch canary #')";
const HEAD = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";
const TABLE = "CREATE TABLE IF NOT EXISTS t(a);\n";
const ROW = "INSERT INTO t(rowid,a) VALUES(1,'x');\n";
const virtual = (name: string, text: string) =>
  `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','${name}','${name}',0,'${text}');\n`;

const DUMPS: Record<string, string> = {
  "a DEFAULT that runs a command": `CREATE TABLE IF NOT EXISTS t(b, a DEFAULT (${COMMAND}));\nINSERT INTO t(b) VALUES(1);\n`,
  "the same in quotes": `CREATE TABLE IF NOT EXISTS t(b, a DEFAULT ("EDIT" /**/ ('x','touch canary #')));\nINSERT INTO t(b) VALUES(1);\n`,
  "a CHECK that runs a command": `CREATE TABLE IF NOT EXISTS t(a CHECK(length(${COMMAND}) >= 0));\n${ROW}`,
  "a row after a trigger": `${TABLE}CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;\n${ROW}`,
  "a row after an index": `${TABLE}CREATE INDEX i ON t(a);\n${ROW}`,
  "a NUL in the name of a column": `${TABLE}INSERT INTO t("x\0") VALUES(1);\nINSERT INTO t VALUES('");\n.shell touch canary\n');\n`,
  "a NUL in a blob": `${TABLE}INSERT INTO t VALUES(X'\0');\nINSERT INTO t VALUES('");\n.shell touch canary\n');\n`,
  "a NUL in a text in hexadecimal": `${TABLE}INSERT INTO t VALUES(CAST(X'\0' AS TEXT));\nINSERT INTO t VALUES('\n.shell touch canary\n');\n`,
  "a NUL in a comment": `${TABLE}/*\0*/\nINSERT INTO t VALUES('\n.shell touch canary\n');\n`,
  "a comment": `${TABLE}-- x\n${ROW}`,
  "a NUL in a row of the schema": `PRAGMA writable_schema=ON;\n${virtual("v'/*\0*/,'v", "CREATE VIRTUAL TABLE v USING fts5(a)")}`,
  "a virtual table of a module that writes files": `PRAGMA writable_schema=ON;\n${virtual("z", "CREATE VIRTUAL TABLE z USING zipfile(canary)")}`,
  "a table with the name of a virtual one": `PRAGMA writable_schema=ON;\n${virtual("Z", "CREATE VIRTUAL TABLE Z USING fts5(a)")}CREATE TABLE IF NOT EXISTS z(a);\nINSERT INTO z(a) VALUES(1);\n`,
  "a virtual table with the name of a table": `PRAGMA writable_schema=ON;\n${TABLE}${virtual("T", "CREATE VIRTUAL TABLE T USING fts5(a)")}${ROW}`,
};

async function* bytesOf(text: string): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(text);
}

async function loadable(text: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of loadableText(bytesOf(text))) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe("a dump", () => {
  it.each(Object.entries(DUMPS))("with %s is refused", async (_, body) => {
    const text = `${HEAD}${body}COMMIT;\n`;
    const inspector = new DumpInspector();
    const inspect = () => {
      inspector.push(new TextEncoder().encode(text));
      inspector.end();
    };
    expect(inspect).toThrow(expect.objectContaining({ code: "DUMP_UNSAFE" }));
    await expect(loadable(text)).rejects.toMatchObject({ code: "DUMP_UNSAFE" });
  });

  it("may have rows of one table in between, names in another case, and doubled quotes", async () => {
    const text = `${HEAD}CREATE TABLE IF NOT EXISTS Tab("a");\nINSERT INTO tab VALUES('it''s');\nCREATE TABLE IF NOT EXISTS u(b);\nINSERT INTO Tab VALUES(X'00ff');\nDELETE FROM sqlite_sequence;\nCREATE INDEX i ON Tab(a);\nCOMMIT;\n`;
    const inspector = new DumpInspector();
    inspector.push(new TextEncoder().encode(text));
    expect(inspector.end().tables).toEqual([
      { name: "Tab", rows: 2 },
      { name: "u", rows: 0 },
    ]);
    expect(await loadable(text)).toContain("INSERT INTO Tab VALUES(X'00ff');");
  });
});

const HOSTILE: [SchemaType, string][] = [
  ["trigger", "CREATE \vTRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END"],
  ["trigger", "CREATE \ufeffTRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END"],
  ["trigger", "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1;\vEND"],
  ["trigger", "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT readfile('x'); END"],
  ["table", `CREATE TABLE t(a DEFAULT (${COMMAND}))`],
  ["table", "CREATE TABLE t(a CHECK(`WriteFile`('x', a) > 0))"],
  ["table", "CREATE TABLE t(a AS (load_extension\n--\n('x')))"],
  ["index", "CREATE INDEX i ON edit(edit(a))"],
  ["view", "CREATE VIEW v AS SELECT * FROM t JOIN u ON edit(a)"],
  ["table", "CREATE VIRTUAL TABLE v USING ZIPFILE('x')"],
  ["table", "CREATE VIRTUAL TABLE v USING csv(filename='x')"],
];
const HARMLESS: [SchemaType, string][] = [
  ["table", "CREATE TABLE edit(id)"],
  ["table", "CREATE TABLE IF NOT EXISTS readfile(id)"],
  ["table", 'CREATE TABLE t(edit, "readfile" TEXT, b REFERENCES edit(id))'],
  ["index", "CREATE UNIQUE INDEX i ON edit(id)"],
  ["view", "CREATE VIEW edit(a, b) AS WITH eval(x) AS (SELECT 1) SELECT x, 'edit(' FROM eval"],
  ["trigger", "CREATE TRIGGER r AFTER INSERT ON edit BEGIN INSERT INTO edit(id) VALUES (1); END"],
  ["table", "CREATE TABLE t(a /* \v edit(1) */, b -- \ufeff\n)"],
  ["table", "CREATE TABLE t('\v', \"\ufeff\")"],
];

describe("a statement of a schema", () => {
  it.each(HOSTILE)("is refused: %s %j", (type, sql) => {
    expect(schemaFault(type, sql)).toMatch(/^it (uses|has a white space)/);
  });
  it.each(HARMLESS)("is taken: %s %j", (type, sql) => {
    expect(schemaFault(type, sql)).toBeUndefined();
    expect(reachingName(sql)).toBeUndefined();
  });
});

describe("what a database file computes as its SQL is loaded", () => {
  const made = async (...statements: string[]): Promise<string> => {
    const file = join(dir, "made.db");
    const database = new DatabaseSync(file, { defensive: false });
    database.function("canary", { varargs: true }, () => 1);
    for (const sql of statements) database.exec(sql);
    database.close();
    const image = await openImageWith(await compiledWasm(), pagesOf(readFileSync(file)));
    const pieces: Uint8Array[] = [];
    for await (const piece of writeSql(image)) pieces.push(piece);
    image.close();
    return Buffer.concat(pieces).toString();
  };
  const shell = (sql: string) =>
    execFileSync("sqlite3", ["-bail", join(dir, "loaded.db")], { cwd: dir, input: sql });

  it.skipIf(spawnSync("sqlite3", ["--version"]).status !== 0)(
    "is no CHECK, whatever the table is called",
    async () => {
      // The shell has writefile(); the name is inserted only after our writer has checked the statement.
      const sql = await made(
        "CREATE TABLE virtual(a CHECK(length(canary('canary', 'x')) >= 0))",
        "INSERT INTO virtual VALUES (1)",
      );
      shell(sql.replaceAll("canary(", "writefile("));
      expect(existsSync(join(dir, "canary"))).toBe(false);
    },
  );
});
