import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import fc from "fast-check";

/** One statement with its values; one that SQLite refuses changes nothing. */
export interface Step {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

const TABLES: Readonly<Record<string, string>> = {
  plain: "CREATE TABLE plain(id INTEGER PRIMARY KEY, a, b TEXT, c REAL)",
  counted:
    "CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, v NUMERIC, u TEXT UNIQUE COLLATE NOCASE)",
  keyless: "CREATE TABLE keyless(a, b INT)",
  texts: "CREATE TABLE texts(k TEXT PRIMARY KEY, v)",
  nocase: "CREATE TABLE nocase(k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID",
  wide: "CREATE TABLE wide(a, b COLLATE RTRIM, c, PRIMARY KEY(b DESC, a)) WITHOUT ROWID",
  made: "CREATE TABLE made(a INT, b AS (a + 1), c TEXT AS (a || 'x') STORED, d UNIQUE, e)",
  strict: "CREATE TABLE strict(k INT PRIMARY KEY, a ANY, b TEXT NOT NULL) STRICT",
  checked: "CREATE TABLE checked(a INT CHECK (a > 0), b NOT NULL DEFAULT 5)",
  taken: "CREATE TABLE taken(rowid TEXT, oid, _rowid_)",
  late: "CREATE TABLE late(id INTEGER PRIMARY KEY DESC, a)",
  'we"ird; -- x': 'CREATE TABLE "we""ird; -- x"("a""b" PRIMARY KEY, "c;d" UNIQUE, "constructor", "__proto__")',
  misfit: "CREATE TABLE misfit(id INTEGER PRIMARY KEY, a, b UNIQUE)",
  log: "CREATE TABLE log(what)",
};
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  plain: ["id", "a", "b", "c"],
  counted: ["id", "v", "u"],
  keyless: ["rowid", "a", "b"],
  texts: ["rowid", "k", "v"],
  nocase: ["k", "v"],
  wide: ["a", "b", "c"],
  made: ["rowid", "a", "d", "e"],
  strict: ["k", "a", "b"],
  checked: ["rowid", "a", "b"],
  taken: ["rowid", "oid", "_rowid_"],
  late: ["id", "a"],
  'we"ird; -- x': ['a"b', "c;d", "constructor", "__proto__"],
  misfit: ["id", "a", "b"],
  log: ["what"],
};
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

const text = fc.constantFrom(
  ...["", "a", "A", "a ", "b", "B", "ab", "12", "1e3", "é", "it's\r\n\\r", "a\0b", "\u{1F319}"],
  ...["x".repeat(700), "nightjar sings", "DROP TABLE plain;"],
);
const blob = fc.constantFrom("", "00", "ff", "61", "ff".repeat(900));
const value: fc.Arbitrary<SQLInputValue> = fc.oneof(
  fc.constant(null),
  fc.integer({ min: -3, max: 9 }),
  fc.constantFrom(2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), 7n, 0n, 1n, 12n),
  fc.constantFrom(0.5, -0.0, 1e300, 5e-324, Infinity, -Infinity, 1.0, 9007199254740993.0),
  text,
  blob.map((hex) => new Uint8Array(Buffer.from(hex, "hex"))),
);

const table = fc.constantFrom(...Object.keys(TABLES));
const rows: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(table, fc.array(value, { minLength: 4, maxLength: 4 }), fc.boolean()).map(
    ([name, values, replaces]) => {
      const columns = COLUMNS[name]!;
      const marks = columns.map(() => "?").join();
      const sql = `INSERT ${replaces ? "OR REPLACE " : ""}INTO ${quoted(name)}(${columns.map(quoted).join()}) VALUES(${marks})`;
      return { sql, values: values.slice(0, columns.length) };
    },
  ),
  fc.tuple(table, fc.nat(3), value, fc.nat(3), value).map(([name, at, is, by, key]) => {
    const columns = COLUMNS[name]!;
    const column = quoted(columns[at % columns.length]!);
    const where = quoted(columns[by % columns.length]!);
    const sql = `UPDATE ${quoted(name)} SET ${column}=? WHERE ${where} IS NOT ?`;
    return { sql, values: [is, key] };
  }),
  fc.tuple(table, fc.nat(3), value).map(([name, by, key]) => {
    const columns = COLUMNS[name]!;
    return {
      sql: `DELETE FROM ${quoted(name)} WHERE ${quoted(columns[by % columns.length]!)} > ?`,
      values: [key],
    };
  }),
  fc.tuple(text, text, fc.nat(5)).map(([a, b, id]) => ({
    sql: "INSERT INTO docs(rowid, title, body) VALUES(?,?,?)",
    values: [id + 1, a, b],
  })),
  fc.nat(5).map((id) => ({ sql: "DELETE FROM docs WHERE rowid=?", values: [id + 1] })),
  fc.tuple(fc.nat(5), text).map(([id, body]) => ({
    sql: "UPDATE docs SET body=? WHERE rowid=?",
    values: [body, id + 1],
  })),
  fc.nat(4).map((id) => ({ sql: "INSERT OR REPLACE INTO boxes VALUES(?,1,2,3,4)", values: [id] })),
);

const statement = (...sql: string[]): fc.Arbitrary<Step> =>
  fc.constantFrom(...sql).map((one) => ({ sql: one, values: [] }));
const schema: fc.Arbitrary<Step> = fc.oneof(
  table.map((name) => ({ sql: TABLES[name]!, values: [] })),
  table.map((name) => ({ sql: `DROP TABLE ${quoted(name)}`, values: [] })),
  statement(
    "CREATE VIRTUAL TABLE docs USING fts5(title, body)",
    "CREATE VIRTUAL TABLE docs USING fts5(title, body, tokenize='porter')",
    "DROP TABLE docs",
    "CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1)",
    "DROP TABLE boxes",
    "CREATE TABLE boxes(id, x0, x1, y0, y1)",
  ),
  statement(
    "ALTER TABLE plain ADD COLUMN d DEFAULT 'new'",
    "ALTER TABLE plain DROP COLUMN b",
    "ALTER TABLE keyless RENAME COLUMN b TO renamed",
    "ALTER TABLE log RENAME TO checked",
    "ALTER TABLE texts ADD COLUMN w AS (k || v)",
  ),
  statement(
    "CREATE INDEX by_a ON plain(a)",
    "CREATE INDEX by_a ON keyless(a, b)",
    "CREATE UNIQUE INDEX one_v ON texts(v)",
    "CREATE UNIQUE INDEX some_b ON keyless(b) WHERE a IS NOT NULL",
    "CREATE UNIQUE INDEX made_b ON made(b)",
    "CREATE UNIQUE INDEX lower_a ON plain(lower(a))",
    ...["by_a", "one_v", "some_b", "made_b", "lower_a"].map((name) => `DROP INDEX ${name}`),
  ),
  statement(
    "CREATE VIEW shown AS SELECT a FROM plain",
    "CREATE VIEW shown AS SELECT a FROM keyless -- a comment",
    "CREATE TABLE shown(x)",
    "DROP VIEW shown",
    "DROP TABLE shown",
  ),
  statement(
    "CREATE TRIGGER noted AFTER INSERT ON plain BEGIN INSERT INTO log VALUES ('plain'); END",
    "CREATE TRIGGER noted AFTER DELETE ON texts BEGIN INSERT INTO log VALUES (old.k); END",
    "CREATE TRIGGER kept BEFORE UPDATE ON keyless BEGIN SELECT raise(ABORT, 'no'); END",
    "CREATE TRIGGER seen INSTEAD OF INSERT ON shown BEGIN INSERT INTO plain(a) VALUES (new.a); END",
    ...["noted", "kept", "seen"].map((name) => `DROP TRIGGER ${name}`),
  ),
  statement("PRAGMA user_version=7", "PRAGMA user_version=0", "PRAGMA application_id=-9"),
  // Rules that are younger than the rows.
  statement(
    `PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE TABLE misfit(id INTEGER PRIMARY KEY, a INT NOT NULL, b UNIQUE)' WHERE name='misfit'; PRAGMA writable_schema=RESET`,
  ),
);

const steps = (max: number) => fc.array(fc.oneof({ weight: 4, arbitrary: rows }, schema), { maxLength: max });

/** All tables at first, then what is done until the one state, and from there on until the other. */
export const histories = fc.record({
  begins: fc.subarray(Object.keys(TABLES), { minLength: 5 }),
  before: steps(40),
  after: steps(25),
  /** True if the other state has nothing to do with the first one. */
  apart: fc.constantFrom(false, false, false, true),
});

export type Histories = typeof histories extends fc.Arbitrary<infer H> ? H : never;

/** Run what SQLite takes of the steps. */
export function runSteps(db: DatabaseSync, list: readonly Step[]): void {
  for (const { sql, values } of list)
    try {
      if (values.length === 0) db.exec(sql);
      else db.prepare(sql).run(...values);
    } catch {
      // Refused: another step may have dropped the table, or a rule does not hold.
    }
}

export function createTables(names: readonly string[]): Step[] {
  return [
    ...names.map((name) => ({ sql: TABLES[name]!, values: [] })),
    { sql: "CREATE VIRTUAL TABLE docs USING fts5(title, body)", values: [] },
  ];
}
