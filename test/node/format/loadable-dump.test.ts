import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DumpInspector } from "../../../src/format/dump/inspector.ts";
import { loadableText } from "../../../src/format/dump/loadable-dump.ts";
import { loadSql } from "../../../src/cli/files/load-sql.ts";
import { openGuarded } from "../../../src/cli/sqlite/open-guarded.ts";
import { EVERYTHING } from "../../../src/format/tables/selection.ts";

/**
 * SQL that sqld's exporter writes and plain SQLite reads differently, loaded by the shell and the command
 * line.
 */
const HEAD = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";
const TABLE = "CREATE TABLE IF NOT EXISTS t(a,b);\n";
const encode = (text: string) => new TextEncoder().encode(text);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-dump-"));
  new DatabaseSync(join(dir, "canary.db")).exec(
    "CREATE TABLE precious(a); INSERT INTO precious VALUES(1)",
  );
});
afterEach(() => {
  expect(new DatabaseSync(join(dir, "canary.db")).prepare("SELECT a FROM precious").all()).toEqual([
    { a: 1 },
  ]);
  rmSync(dir, { recursive: true });
});

async function* chunks(text: string, size = 50): AsyncIterable<Uint8Array> {
  const bytes = encode(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

async function loadable(dump: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of loadableText(chunks(dump))) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function warningsOf(dump: string): string[] {
  const inspector = new DumpInspector();
  inspector.push(encode(dump));
  return inspector.end().warnings.map(({ code }) => code);
}

/** Load the SQL with plain `sqlite3`; it must create nothing else in the folder. */
function byShell(sql: string): DatabaseSync {
  const file = join(dir, "shell.db");
  const err = execFileSync("sqlite3", [file], {
    input: sql,
    cwd: dir,
    stdio: ["pipe", "pipe", "pipe"],
  });
  expect(err.toString()).toBe("");
  expect(readdirSync(dir).toSorted()).toEqual(["canary.db", "shell.db"]);
  return new DatabaseSync(file);
}

async function byCommandLine(sql: string): Promise<DatabaseSync> {
  const file = join(dir, "cli.db");
  const database = await openGuarded(file, "write");
  try {
    await loadSql(chunks(sql), "dump", undefined, database, EVERYTHING, true);
  } finally {
    database.close();
  }
  return new DatabaseSync(file);
}

describe("a dump with what plain SQLite reads otherwise", () => {
  it.each([
    {
      what: "text with NUL, after which a shell takes the next row for SQL",
      sql: `${TABLE}INSERT INTO t(rowid,a,b) VALUES(1,'it''s\0x',replace('a\0\\n','\\n',char(10)));
INSERT INTO t(rowid,a,b) VALUES(2,');SELECT writefile("pwned","x");--',NULL);\n`,
      warning: "NUL_IN_TEXT",
      ask: "SELECT hex(a) AS a, hex(b) AS b FROM t",
      rows: [
        { a: Buffer.from("it's\0x").toString("hex").toUpperCase(), b: "61000A" },
        {
          a: Buffer.from(');SELECT writefile("pwned","x");--').toString("hex").toUpperCase(),
          b: "",
        },
      ],
    },
    {
      what: "infinity",
      sql: `${TABLE}INSERT INTO t(rowid,a,b) VALUES(1,inf,-inf);\n`,
      warning: "INFINITY",
      ask: "SELECT a = 9e999 AND b = -9e999 AS same FROM t",
      rows: [{ same: 1 }],
    },
    {
      what: "counters after the last AUTOINCREMENT table was dropped",
      sql: `${TABLE}DELETE FROM sqlite_sequence;\nINSERT INTO sqlite_sequence(rowid,name,seq) VALUES(1,'gone',7);\n`,
      warning: "COUNTERS_WITHOUT_TABLE",
      ask: "SELECT name, seq FROM sqlite_sequence",
      rows: [{ name: "gone", seq: 7 }],
    },
    {
      what: "a virtual table's text with quotes",
      sql: `PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','f','f',0,'CREATE VIRTUAL TABLE f USING fts5(a /*' || writefile('pwned','x') || '*/, content='')');
CREATE TABLE IF NOT EXISTS 'f_data'(id INTEGER PRIMARY KEY, block BLOB);
PRAGMA writable_schema=OFF;\n`,
      warning: "QUOTES_IN_VIRTUAL_TABLE",
      ask: "SELECT sql FROM sqlite_schema WHERE name = 'f'",
      rows: [
        {
          sql: "CREATE VIRTUAL TABLE f USING fts5(a /*' || writefile('pwned','x') || '*/, content='')",
        },
      ],
    },
    {
      what: "a view with lines that a shell takes for its own",
      sql: `CREATE VIEW v AS SELECT
go
.shell touch pwned
, 4
 /  -- divided
2 AS half FROM (SELECT 1 AS shell, 3 AS touch, 5 AS pwned, 6 AS go) AS go;\n`.replace(
        ".shell touch pwned\n",
        "",
      ),
      warning: "SHELL_LINE",
      ask: "SELECT * FROM v",
      rows: [{ go: 6, half: 2 }],
    },
  ])("loads: $what", async ({ sql, warning, ask, rows }) => {
    const dump = `${HEAD}${sql}COMMIT;\n`;
    expect(warningsOf(dump)).toEqual([warning]);
    const text = await loadable(dump);
    expect(byShell(text).prepare(ask).all()).toEqual(rows);
    expect((await byCommandLine(dump)).prepare(ask).all()).toEqual(rows);
    rmSync(join(dir, "cli.db"));
    // The result is a dump that rewrites to itself.
    expect(await loadable(text)).toBe(text);
    expect((await byCommandLine(text)).prepare(ask).all()).toEqual(rows);
  });

  it("runs no command of a view, in whatever shell", async () => {
    const view = `CREATE VIEW v AS SELECT\ngo\n.read "|touch pwned"\nFROM (SELECT 1 AS read, 2 AS go) AS go;\n`;
    const dump = `${HEAD}${view}COMMIT;\n`;
    expect(warningsOf(dump)).toEqual(["SHELL_LINE"]);
    expect(
      byShell(await loadable(dump))
        .prepare("SELECT name FROM sqlite_schema")
        .all(),
    ).toEqual([{ name: "v" }]);
    expect(
      (await byCommandLine(dump)).prepare("SELECT sql FROM sqlite_schema").get()?.["sql"],
    ).toContain("/**/go\n.read");
  });

  it("changes nothing else", async () => {
    const dump = `${HEAD}${TABLE}INSERT INTO t(rowid,a,b) VALUES(1,replace('a\\n','\\n',char(10)),X'00');\nCREATE VIEW v AS SELECT a /\nb, 'x\n.y' FROM t;\nCOMMIT;\n`;
    expect(await loadable(dump)).toBe(dump);
  });
});
