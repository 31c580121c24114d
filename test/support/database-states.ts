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
  'we"ird; -- x':
    'CREATE TABLE "we""ird; -- x"("a""b" PRIMARY KEY, "c;d" UNIQUE, "constructor", "__proto__")',
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
  fc.constantFrom(0.5, -0.0, 1e300, 5e-324, Infinity, -Infinity, 1.0, 2 ** 60),
  text,
  blob.map((hex) => new Uint8Array(Buffer.from(hex, "hex"))),
);

/** A change of rows, of the table that a number stands for. */
type Change = (tables: readonly string[]) => Step;

const columnsOf = (name: string) => COLUMNS[name]!.map(quoted);
const pick = <T>(list: readonly T[], at: number): T => list[at % list.length]!;
const fixed =
  (sql: string, ...values: SQLInputValue[]): Change =>
  () => ({ sql, values });

const number = fc.nat(99);
const insert: fc.Arbitrary<Change> = fc
  .tuple(number, fc.array(value, { minLength: 4, maxLength: 4 }), fc.boolean())
  .map(([table, values, replaces]) => (tables) => {
    const name = pick(tables, table);
    const columns = columnsOf(name);
    const verb = replaces ? "INSERT OR REPLACE" : "INSERT";
    const marks = columns.map(() => "?").join();
    const sql = `${verb} INTO ${quoted(name)}(${columns.join()}) VALUES(${marks})`;
    return { sql, values: values.slice(0, columns.length) };
  });
const update: fc.Arbitrary<Change> = fc
  .tuple(number, number, value, number, value, fc.constantFrom("IS", "<", ">", "IS NOT"))
  .map(([table, column, is, by, key, comparison]) => (tables) => {
    const name = pick(tables, table);
    const columns = columnsOf(name);
    const sql = `UPDATE ${quoted(name)} SET ${pick(columns, column)}=? WHERE ${pick(columns, by)} ${comparison} ?`;
    return { sql, values: [is, key] };
  });
/** Two rows that exchange the values of a column, which may be unique. */
const exchange: fc.Arbitrary<Change> = fc
  .tuple(number, number)
  .map(([table, column]) => (tables) => {
    const name = pick(tables, table);
    const at = pick(columnsOf(name), column);
    const side = (order: string) =>
      `(SELECT ${at} FROM ${quoted(name)} ORDER BY ${at} ${order} LIMIT 1)`;
    const [low, high] = [side("ASC"), side("DESC")];
    const free = "'between'";
    return {
      sql: `CREATE TEMP TABLE IF NOT EXISTS ends(a, b); DELETE FROM ends; INSERT INTO ends VALUES(${low}, ${high});
      UPDATE ${quoted(name)} SET ${at}=${free} WHERE ${at} IS (SELECT a FROM ends);
      UPDATE ${quoted(name)} SET ${at}=(SELECT a FROM ends) WHERE ${at} IS (SELECT b FROM ends);
      UPDATE ${quoted(name)} SET ${at}=(SELECT b FROM ends) WHERE ${at}=${free}`,
      values: [],
    };
  });
const remove: fc.Arbitrary<Change> = fc
  .tuple(number, number, value)
  .map(([table, by, key]) => (tables) => {
    const name = pick(tables, table);
    return {
      sql: `DELETE FROM ${quoted(name)} WHERE ${pick(columnsOf(name), by)} IS ?`,
      values: [key],
    };
  });
const virtual: fc.Arbitrary<Change> = fc
  .tuple(fc.nat(3), fc.nat(5), text, text)
  .map(([kind, id, a, b]) => {
    if (kind === 0)
      return fixed("INSERT INTO docs(rowid, title, body) VALUES(?,?,?)", id + 1, a, b);
    if (kind === 1) return fixed("DELETE FROM docs WHERE rowid=?", id + 1);
    if (kind === 2) return fixed("UPDATE docs SET body=? WHERE rowid=?", b, id + 1);
    return fixed("INSERT OR REPLACE INTO boxes VALUES(?,1,2,3,4)", id);
  });
const rows: fc.Arbitrary<Change> = fc.oneof(
  { weight: 8, arbitrary: insert },
  { weight: 3, arbitrary: update },
  exchange,
  remove,
  virtual,
);

const statement = (...sql: string[]): fc.Arbitrary<Change> =>
  fc.constantFrom(...sql).map((one) => fixed(one));
const schema: fc.Arbitrary<Change> = fc.oneof(
  number.map((table): Change => (tables) => ({ sql: TABLES[pick(tables, table)]!, values: [] })),
  number.map((table): Change => (tables) => {
    return { sql: `DROP TABLE ${quoted(pick(tables, table))}`, values: [] };
  }),
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

const changes = (max: number, weight: number) =>
  fc.array(fc.oneof({ weight, arbitrary: rows }, schema), { maxLength: max, size: "max" });

/** A few tables at first, then what is done until the one state, and from there on until the other. */
export const histories = fc
  .record({
    begins: fc.subarray(Object.keys(TABLES), { minLength: 2, maxLength: 5 }),
    before: changes(80, 12),
    after: changes(20, 6),
    /** True if the other state has nothing to do with the first one. */
    apart: fc.constantFrom(false, false, false, true),
  })
  .map(({ begins, before, after, apart }) => ({
    ...{ begins, apart },
    before: before.map((change) => change(begins)),
    after: after.map((change) => change(begins)),
  }));

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
