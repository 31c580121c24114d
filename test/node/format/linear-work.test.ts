import { describe, expect, it } from "vitest";
import { createdColumns } from "../../../src/format/sql/created-columns.ts";
import { DumpInspector } from "../../../src/format/dump/inspector.ts";
import { LoadableDump } from "../../../src/format/dump/loadable-dump.ts";
import { schemaFault } from "../../../src/format/sql/schema-statement.ts";
import { SqlSelector } from "../../../src/format/sql/select-sql.ts";
import { readSqlHead } from "../../../src/format/sql/head.ts";
import { insertedRow } from "../../../src/format/sql/literal.ts";
import { SqlScanner, type Statement } from "../../../src/format/sql/scanner.ts";
import { moduleOf } from "../../../src/format/sql/virtual-module.ts";
import { workOf } from "../../support/work.ts";

/** For every reader, twice the input takes about twice the work. */
const encode = (text: string) => new TextEncoder().encode(text);
const HEAD = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE IF NOT EXISTS t(a);\n";

const PIECES = [
  ...[
    "'",
    "''",
    '"',
    "[",
    "`",
    "--",
    "--;\n",
    "-- ;\nCREATE ",
    "/*",
    "*/",
    "/* ;\n*/",
    "$a(",
    "@::",
    "$a(x",
  ],
  ...[
    "(1,'",
    "(1,''",
    "replace(",
    "go\n",
    "\n/\n",
    "\n.",
    ";",
    ";\n",
    "; END",
    "(",
    ")",
    ",",
    "x",
    " ",
    "\n",
  ],
  ...["'CREATE VIRTUAL ", "AUTOINCREMENT ", "AS ", "inf,", "é", "');\n", "X'"],
];
const WRAPS: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => `CREATE VIEW v AS SELECT ${text};\n`,
  (text) => `CREATE INDEX i ON t(a) ${text};\nCOMMIT;`,
  (text) => `CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT ${text}; END;`,
  (text) => `CREATE TABLE IF NOT EXISTS u(a ${text});`,
  (text) => `INSERT INTO t(a) VALUES(${text});`,
  (text) => `INSERT INTO t(a) VALUES('${text}');`,
  (text) => `INSERT INTO sqlite_sequence VALUES(1,'${text}',2);`,
  (text) =>
    `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','v','v',0,'CREATE VIRTUAL TABLE v USING fts5(${text})');`,
];

const ignoring = (action: () => void) => () => {
  try {
    action();
  } catch {
    // a refusal is an answer too
  }
};
const statementOf = (sql: string): Statement => ({
  ...{ source: encode(sql), from: 0, to: sql.length, bytes: encode(sql), length: sql.length },
  ...{ cut: false, ambiguous: false, nul: true, commented: false, bareInfinity: true },
});
const READERS: Record<string, (sql: string) => void> = {
  "the scanner": (sql) => {
    const scanner = new SqlScanner(
      () => undefined,
      1000,
      () => undefined,
    );
    const bytes = encode(sql);
    for (let at = 0; at < bytes.length; at += 500) scanner.push(bytes.subarray(at, at + 500));
  },
  "the inspector": (sql) => {
    const inspector = new DumpInspector();
    const bytes = encode(HEAD + sql);
    for (let at = 0; at < bytes.length; at += 500) inspector.push(bytes.subarray(at, at + 500));
    inspector.end();
  },
  "what makes a dump load": (sql) => void new LoadableDump().take(statementOf(sql)),
  "a statement's head": (sql) => void readSqlHead(encode(sql)),
  "a schema row": (sql) => void schemaFault("view", sql),
  "a row": (sql) => void insertedRow(sql),
  "a table's columns": (sql) => void createdColumns(sql),
  "a virtual table's module": (sql) => void moduleOf(sql),
  "a selection": (sql) =>
    void new SqlSelector({ tables: new Set(["t"]), schema: true, rows: true }).take(encode(sql)),
};

describe("the work of reading grows with the length of what is read", () => {
  // A third of the pairs for each reader, or all with ALL set: counting work is slow.
  const step = process.env["ALL"] === undefined ? 3 : 1;
  it.each(Object.entries(READERS))("%s", async (name, read) => {
    const first = Object.keys(READERS).indexOf(name);
    for (const [at, wrap] of WRAPS.entries())
      for (const [place, piece] of PIECES.entries()) {
        if ((first + at + place) % step !== 0) continue;
        const sql = wrap(piece.repeat(Math.ceil(2500 / piece.length)));
        // Quadratic growth would reach 6 million.
        const work = await workOf(ignoring(() => read(sql)));
        expect(work, sql.slice(0, 120)).toBeLessThan(60 * sql.length + 5000);
      }
  });
});
