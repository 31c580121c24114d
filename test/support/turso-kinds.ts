import type { ErrorCode } from "../../src/errors/errors.ts";

/** A kind of database that `tursodb` makes, and how it has to come back. */
export interface TursoKind {
  readonly name: string;
  /** Flags of tursodb. */
  readonly flags?: readonly string[];
  /** The cipher of a database that is encrypted at rest. */
  readonly cipher?: string;
  /** Statements that make it. */
  readonly make: readonly string[];
  /**
   * `pages`: a `.db` with the same rows and schema, and SQL with the same ones. `foreign`: a `.db` that only
   * tursodb opens. `rows`: SQL with the same rows and schema. Otherwise the code of the error.
   */
  readonly back: "pages" | "foreign" | "rows" | ErrorCode;
  /** Queries whose answers must be the same. */
  readonly queries?: readonly string[];
  /** True if the SQL has −0.0 for a column in which SQLite stores 0.0 instead. */
  readonly signLost?: boolean;
  /** Objects whose text the SQL of rows leaves out or changes, with a warning. */
  readonly leftOut?: readonly string[];
  /** Fewest rows of all tables together, so that an empty oracle cannot pass. */
  readonly rows: number;
}

const MVCC = "PRAGMA journal_mode = 'mvcc'";
const CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)";
/** With a page that no later transaction writes, the server's pages are not the whole database any more. */
const BY_ROWS = [
  "CREATE TABLE filler(a)",
  "INSERT INTO filler VALUES (zeroblob(9000))",
  CHECKPOINT,
];
const VIEWS = ["--experimental-views"];
const INDEXES = ["--experimental-index-method"];
const TYPES = ["--experimental-custom-types"];
const VACUUM = ["--experimental-vacuum"];

const many = (count: number, of: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => of(at)).join(",");
const each = (values: readonly string[], of: (value: string) => string): string[] => values.map(of);

const INTEGERS = [
  ...["0", "1", "-1", "127", "128", "-128", "-129", "32767", "32768", "8388607", "8388608"],
  ...["2147483647", "2147483648", "-2147483649", "140737488355327", "140737488355328"],
  ...["9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993"],
  ...["9223372036854775807", "-9223372036854775807", "(-9223372036854775807-1)"],
];
const REALS = [
  ...["0.0", "-0.0", "1.0", "-1.0", "0.1", "1e15", "1e16", "1e21", "1e-7", "123456789.123456789"],
  ...["5e-324", "-5e-324", "2.2250738585072014e-308", "2.2250738585072009e-308"],
  ...["1.7976931348623157e308", "9e999", "-9e999", "9e999 - 9e999", "9007199254740993.0"],
];
const TEXTS = [
  ...["''", "'a'", "'it''s'", "'é 🌙 \u202e'", "'a' || char(0) || 'b'", "char(0)", "char(13, 10)"],
  ...["'12'", "'1e5'", "'NULL'", "';'", "'-- no'", "char(65533)", "char(55357)", "char(65279)"],
  ...["'\\\\ \"q\" \\u0041'", "hex(zeroblob(3000))"],
];
const BLOBS = ["X''", "X'00'", "X'FF00FE'", "X'E28228'", "zeroblob(5000)", "CAST('text' AS BLOB)"];
const ALL = ["NULL", ...INTEGERS, ...REALS, ...TEXTS, ...BLOBS];
const COLUMNS =
  "n, i INT, r REAL, x TEXT, b BLOB, d NUMERIC(10, 5), v VARCHAR(3), f FLOATING POINT, z DATE";
const TYPED_ROWS = [
  `CREATE TABLE t(${COLUMNS})`,
  ...ALL.map((value) => {
    // SQLite has no -0.0 in a column of REAL affinity: that is a kind of its own.
    const real = value === "-0.0" ? "NULL" : value;
    return `INSERT INTO t VALUES (${[value, value, real, ...Array<string>(6).fill(value)].join()})`;
  }),
];
/** JSON does not tell one infinity from the other. */
const SIGNS = ["SELECT rowid, n > 0, r > 0 FROM t"];

const SHOP = [
  "CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, born INT)",
  "CREATE TABLE orders (id INTEGER PRIMARY KEY, person INT REFERENCES people(id), total REAL)",
  "CREATE INDEX by_person ON orders (person, total DESC)",
  `INSERT INTO people(name, born) VALUES ${many(300, (at) => `('person ${at}', ${1900 + (at % 100)})`)}`,
  `INSERT INTO orders(person, total) VALUES ${many(900, (at) => `(${(at % 300) + 1}, ${at}.5)`)}`,
  "UPDATE orders SET total = total * 2 WHERE id % 5 = 0",
  "DELETE FROM people WHERE id > 290",
];
/** MVCC has no AUTOINCREMENT. */
const PLAIN_SHOP = SHOP.map((sql) => sql.replace(" AUTOINCREMENT", ""));
const TYPED = [
  "CREATE TYPE cents BASE integer ENCODE value * 100 DECODE value / 100",
  "CREATE TABLE prices (id INTEGER PRIMARY KEY, amount cents, made date) STRICT",
  "INSERT INTO prices(amount, made) VALUES (5, '2026-01-02'), (7, NULL)",
];
const MATERIALIZED = [
  ...SHOP,
  "CREATE MATERIALIZED VIEW totals AS SELECT person, sum(total) AS total FROM orders GROUP BY person",
];
const SEARCHED = [
  "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT)",
  "CREATE INDEX words ON docs USING fts (body)",
  `INSERT INTO docs(body) VALUES ${many(200, (at) => `('the ${at} quick fox')`)}`,
];
const NAMES = [
  "select",
  "a b",
  'q"q',
  "it's",
  "größe 🌙",
  "1st",
  "a.b",
  "[x]",
  "`y`",
  "--z",
  "/*c*/",
];
const named = (name: string) => `"${name.replaceAll('"', '""')}"`;
const THOUSAND = [
  "BEGIN",
  ...Array.from({ length: 1000 }, (_, at) => [
    `CREATE TABLE t${at} (a, b TEXT)`,
    `INSERT INTO t${at} VALUES (${at}, 'x'), (NULL, ${at}.5)`,
  ]).flat(),
  "COMMIT",
];
const WIDE = Array.from({ length: 500 }, (_, at) => `c${at}`);

export const TURSO_KINDS: readonly TursoKind[] = [
  { name: "nothing was ever written", make: [], back: "rows", rows: 0 },
  {
    name: "no table any more",
    make: ["CREATE TABLE t(a)", "DROP TABLE t"],
    back: "pages",
    rows: 0,
  },
  { name: "one empty table", make: ["CREATE TABLE t(a)"], back: "pages", rows: 0 },
  {
    name: "all types and affinities",
    make: TYPED_ROWS,
    queries: SIGNS,
    back: "pages",
    rows: ALL.length,
  },
  {
    name: "all types, read by rows",
    make: [...BY_ROWS, ...TYPED_ROWS],
    queries: SIGNS,
    back: "rows",
    rows: ALL.length,
  },
  {
    name: "-0.0 in columns of REAL affinity",
    make: ["CREATE TABLE t(n, r REAL)", "INSERT INTO t VALUES (-0.0, -0.0), (0.0, 0.0)"],
    signLost: true,
    back: "pages",
    rows: 2,
  },
  {
    name: "-0.0 in columns of REAL affinity, read by rows",
    make: [
      ...BY_ROWS,
      "CREATE TABLE t(n, r REAL)",
      "INSERT INTO t VALUES (-0.0, -0.0), (0.0, 0.0)",
    ],
    signLost: true,
    back: "rows",
    rows: 2,
  },
  {
    name: "rowids at the ends of their range",
    make: [
      "CREATE TABLE t(a)",
      ...each(INTEGERS, (value) => `INSERT INTO t(rowid, a) VALUES (${value}, 'x')`),
    ],
    back: "pages",
    rows: INTEGERS.length,
  },
  {
    name: "WITHOUT ROWID",
    flags: ["--experimental-without-rowid"],
    make: [
      "CREATE TABLE w(a, b, c, PRIMARY KEY (c, a)) WITHOUT ROWID",
      `INSERT INTO w VALUES ${many(400, (at) => `(${at}, 'x${at}', ${(at * 7) % 400})`)}`,
    ],
    back: "pages",
    rows: 400,
  },
  {
    name: "STRICT",
    make: [
      "CREATE TABLE s(i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT",
      "INSERT INTO s VALUES (1, 1, 'x', X'00', 1.0), (NULL, 9e999, '', X'', '1'), (3, 0.1, char(0), NULL, X'FF')",
    ],
    back: "pages",
    rows: 3,
  },
  {
    name: "generated columns",
    flags: ["--experimental-generated-columns"],
    make: [
      "CREATE TABLE g(a, b AS (a || 'x'), c INT, d GENERATED ALWAYS AS (c * 2) VIRTUAL, e)",
      "INSERT INTO g(a, c, e) VALUES ('q', 1, 1.0), (NULL, NULL, X'00')",
    ],
    back: "pages",
    rows: 2,
  },
  {
    name: "AUTOINCREMENT whose newest rows are gone",
    make: [
      "CREATE TABLE n(id INTEGER PRIMARY KEY AUTOINCREMENT, v)",
      "INSERT INTO n VALUES (9007199254740993, 'gone'), (5, 'stays')",
      "DELETE FROM n WHERE v = 'gone'",
    ],
    back: "pages",
    rows: 2,
  },
  {
    name: "indexes: unique, partial, of expressions, with collations",
    make: [
      "CREATE TABLE t(a TEXT COLLATE NOCASE, b INT, c UNIQUE, PRIMARY KEY (b, a))",
      "CREATE UNIQUE INDEX u ON t(a COLLATE RTRIM, b DESC)",
      "CREATE INDEX p ON t(b) WHERE b > 10 AND a IS NOT NULL",
      "CREATE INDEX e ON t(lower(a), b + 1)",
      `INSERT INTO t VALUES ${many(500, (at) => `('Word ${at}', ${at}, ${at % 2 === 0 ? at : "NULL"})`)}`,
      "UPDATE t SET a = upper(a) WHERE b % 3 = 0",
    ],
    back: "pages",
    rows: 500,
  },
  {
    name: "triggers",
    make: [
      "CREATE TABLE t(id INTEGER PRIMARY KEY, a)",
      "CREATE TABLE log(what, id)",
      "CREATE TRIGGER added AFTER INSERT ON t BEGIN INSERT INTO log VALUES ('in;sert', new.id); END",
      "CREATE TRIGGER gone BEFORE DELETE ON t WHEN old.a > 1 BEGIN INSERT INTO log VALUES ('delete', old.id); END",
      "INSERT INTO t(a) VALUES (1), (2), (3)",
      "DELETE FROM t WHERE a > 1",
    ],
    back: "pages",
    rows: 6,
  },
  {
    name: "views, one of them of another",
    queries: ["SELECT * FROM older"],
    make: [
      ...SHOP,
      "CREATE VIEW old(name) AS SELECT name FROM people WHERE born < 1950",
      "CREATE VIEW older AS SELECT * FROM old LIMIT 3",
    ],
    back: "pages",
    rows: 1100,
  },
  {
    name: "foreign keys, also broken ones",
    make: [
      "CREATE TABLE p(id INTEGER PRIMARY KEY)",
      "CREATE TABLE c(p REFERENCES p(id) ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED)",
      "PRAGMA foreign_keys = OFF",
      "INSERT INTO c VALUES (1), (2)",
      "INSERT INTO p VALUES (1)",
    ],
    back: "pages",
    rows: 3,
  },
  {
    name: "CHECK, DEFAULT, NOT NULL and conflict clauses",
    make: [
      "CREATE TABLE t(a DEFAULT (1 + 1) CHECK (a < 9), b TEXT COLLATE NOCASE NOT NULL UNIQUE ON CONFLICT IGNORE, CHECK (a <> b))",
      "INSERT INTO t(b) VALUES ('q'), ('Q'), ('r')",
    ],
    back: "pages",
    rows: 2,
  },
  {
    name: "altered tables",
    make: [
      "CREATE TABLE t(a, gone, c)",
      "INSERT INTO t VALUES (1, 2, 3), (4, 5, 6)",
      "ALTER TABLE t ADD COLUMN later TEXT NOT NULL DEFAULT 'was not there'",
      "INSERT INTO t VALUES (7, 8, 9, 'x')",
      "ALTER TABLE t DROP COLUMN gone",
      "ALTER TABLE t RENAME COLUMN c TO changed",
      "ALTER TABLE t RENAME TO renamed",
    ],
    back: "pages",
    rows: 3,
  },
  { name: "statistics", make: [...SHOP, "ANALYZE"], back: "pages", rows: 1100 },
  {
    name: "a materialized view",
    flags: VIEWS,
    make: MATERIALIZED,
    queries: ["SELECT * FROM totals"],
    back: "foreign",
    rows: 1100,
  },
  {
    name: "a materialized view, read by rows",
    flags: VIEWS,
    make: [...MATERIALIZED, CHECKPOINT, "INSERT INTO orders VALUES (5000, 1, 7.0)"],
    back: "rows",
    leftOut: ["totals"],
    rows: 1100,
  },
  {
    name: "an index of full text",
    flags: INDEXES,
    make: SEARCHED,
    queries: ["SELECT id FROM docs WHERE body MATCH 'fox'"],
    back: "foreign",
    rows: 200,
  },
  {
    name: "an index of full text, read by rows",
    flags: INDEXES,
    make: [...SEARCHED, CHECKPOINT, "INSERT INTO docs(body) VALUES ('later')"],
    back: "rows",
    leftOut: ["words"],
    rows: 201,
  },
  { name: "custom types", flags: TYPES, make: TYPED, back: "foreign", rows: 2 },
  {
    name: "custom types that no page gives",
    flags: TYPES,
    make: [...TYPED, CHECKPOINT, "INSERT INTO prices(amount) VALUES (1)"],
    back: "ROWS_UNAVAILABLE",
    rows: 3,
  },
  {
    name: "captured changes",
    make: ["PRAGMA unstable_capture_data_changes_conn('full')", ...SHOP],
    back: "pages",
    rows: 2000,
  },
  { name: "MVCC", make: [MVCC, ...PLAIN_SHOP], back: "rows", rows: 1100 },
  {
    name: "MVCC after a checkpoint, with later changes",
    make: [
      MVCC,
      ...PLAIN_SHOP,
      CHECKPOINT,
      "UPDATE people SET born = 2000 WHERE id = 7",
      "DELETE FROM orders WHERE id > 890",
      "CREATE TABLE later(a)",
      "INSERT INTO later VALUES (1.0), (-0.0), (9e999)",
    ],
    back: "rows",
    rows: 1100,
  },
  {
    name: "MVCC that was begun in WAL",
    make: [...PLAIN_SHOP, MVCC, "INSERT INTO orders VALUES (5000, 1, 7.0)"],
    back: "rows",
    rows: 1100,
  },
  {
    name: "MVCC that was ended",
    make: [
      MVCC,
      ...PLAIN_SHOP,
      "PRAGMA journal_mode = 'wal'",
      "INSERT INTO orders VALUES (5000, 1, 7.0)",
    ],
    back: "rows",
    rows: 1100,
  },
  {
    name: "encrypted at rest (aes256gcm)",
    cipher: "aes256gcm",
    make: SHOP,
    back: "pages",
    rows: 1100,
  },
  {
    name: "encrypted at rest (aegis256)",
    cipher: "aegis256",
    make: SHOP,
    back: "pages",
    rows: 1100,
  },
  {
    name: "encrypted at rest, after a checkpoint",
    cipher: "aes128gcm",
    make: [...SHOP, CHECKPOINT, "INSERT INTO orders VALUES (5000, 1, 7.0)"],
    back: "rows",
    rows: 1100,
  },
  {
    name: "deep chains of overflow pages",
    make: [
      "CREATE TABLE t(id INTEGER PRIMARY KEY, before, data, after)",
      "CREATE INDEX i ON t(data)",
      "INSERT INTO t VALUES (1, 'x', randomblob(500000), 'y'), (2, 'x', hex(randomblob(100000)), 'y'), (3, randomblob(4060), randomblob(4061), randomblob(4062))",
      "UPDATE t SET data = randomblob(90000) WHERE id = 2",
    ],
    back: "pages",
    rows: 3,
  },
  { name: "a thousand tables", make: THOUSAND, back: "pages", rows: 2000 },
  {
    name: "a thousand tables, read by rows",
    make: [...THOUSAND, CHECKPOINT, "INSERT INTO t5 VALUES (0, 0)"],
    back: "rows",
    rows: 2001,
  },
  {
    name: "wide tables",
    make: [
      `CREATE TABLE wide(${WIDE.join()})`,
      `INSERT INTO wide VALUES (${WIDE.map((_, at) => (at % 3 === 0 ? at : `'x${at}'`)).join()})`,
      "INSERT INTO wide(c499) VALUES (1.0)",
    ],
    back: "pages",
    rows: 2,
  },
  ...[512, 1024, 8192, 65_536].map((size): TursoKind => ({
    name: `pages of ${size} bytes`,
    make: [`PRAGMA page_size = ${size}`, ...SHOP],
    back: "rows",
    rows: 1100,
  })),
  {
    name: "grown tenfold",
    make: [
      ...SHOP,
      ...Array.from(
        { length: 9 },
        () => "INSERT INTO orders(person, total) SELECT person, total + 1 FROM orders LIMIT 900",
      ),
    ],
    back: "pages",
    rows: 9000,
  },
  {
    name: "shrunk by DELETE and VACUUM",
    flags: VACUUM,
    make: [...SHOP, "DELETE FROM orders WHERE id > 10", "VACUUM"],
    back: "rows",
    rows: 300,
  },
  {
    name: "vacuumed, then written",
    flags: VACUUM,
    make: [
      ...SHOP,
      "DELETE FROM orders WHERE id > 10",
      "VACUUM",
      "INSERT INTO orders VALUES (5000, 1, 7.0)",
    ],
    back: "rows",
    rows: 300,
  },
  {
    name: "a long list of free pages",
    make: [
      "CREATE TABLE t(id INTEGER PRIMARY KEY, data)",
      `INSERT INTO t(data) VALUES ${many(60, () => "(randomblob(100000))")}`,
      "DELETE FROM t WHERE id % 6 > 0",
      "CREATE TABLE u(a)",
      "INSERT INTO u VALUES (1)",
    ],
    back: "pages",
    rows: 11,
  },
  {
    name: "auto_vacuum",
    flags: ["--experimental-autovacuum"],
    make: ["PRAGMA auto_vacuum = FULL", ...SHOP, "DELETE FROM orders WHERE id > 10"],
    back: "pages",
    rows: 300,
  },
  { name: "a checkpoint at the end", make: [...SHOP, CHECKPOINT], back: "rows", rows: 1100 },
  {
    name: "written after a checkpoint",
    make: [...SHOP, CHECKPOINT, "INSERT INTO orders VALUES (5000, 1, 7.0)"],
    back: "rows",
    rows: 1101,
  },
  {
    name: "a transaction that was rolled back, and savepoints",
    make: [
      ...SHOP,
      "BEGIN",
      "DELETE FROM orders",
      "ROLLBACK",
      "BEGIN",
      "INSERT INTO people(name) VALUES ('one')",
      "SAVEPOINT s",
      "INSERT INTO people(name) VALUES ('two')",
      "ROLLBACK TO s",
      "COMMIT",
    ],
    back: "pages",
    rows: 1100,
  },
  {
    name: "another database attached",
    flags: ["--experimental-attach"],
    make: [
      ...SHOP,
      "ATTACH ':memory:' AS other",
      "CREATE TABLE other.orders(a)",
      "INSERT INTO other.orders VALUES (1)",
    ],
    back: "pages",
    rows: 1100,
  },
  {
    name: "names that are words, have quotes, spaces, other scripts",
    make: NAMES.flatMap((name) => [
      `CREATE TABLE ${named(name)} (${NAMES.map(named).join()})`,
      `INSERT INTO ${named(name)} VALUES (${NAMES.map((_, at) => at).join()})`,
      `CREATE INDEX ${named(`${name} i`)} ON ${named(name)} (${named(name)})`,
    ]),
    back: "pages",
    rows: NAMES.length,
  },
  {
    name: "such names, read by rows",
    make: [
      ...BY_ROWS,
      ...NAMES.flatMap((name) => [
        `CREATE TABLE ${named(name)} (${NAMES.map(named).join()})`,
        `INSERT INTO ${named(name)} VALUES (${NAMES.map((_, at) => at).join()})`,
        `CREATE INDEX ${named(`${name} i`)} ON ${named(name)} (${named(name)})`,
      ]),
    ],
    back: "rows",
    rows: NAMES.length,
  },
  {
    name: "JSON as text and as blobs",
    make: [
      "CREATE TABLE j(a, b)",
      `INSERT INTO j VALUES (json('{"a":[1,2.5,null]}'), jsonb('{"a":[1,2.5,null]}')), (json('"\\u0000"'), jsonb('[]'))`,
      "CREATE INDEX by_a ON j(json_extract(a, '$.a'))",
    ],
    back: "pages",
    rows: 2,
  },
  {
    name: "vectors",
    make: [
      "CREATE TABLE v(id INTEGER PRIMARY KEY, e F32_BLOB(3), d)",
      "INSERT INTO v(e, d) VALUES (vector32('[1,2,3]'), vector64('[1.5]')), (vector32('[-0.5,1e30,0]'), NULL)",
    ],
    back: "pages",
    rows: 2,
  },
  {
    name: "one row of several MB",
    make: ["CREATE TABLE t(a, b)", "INSERT INTO t VALUES (randomblob(4000000), 'after')"],
    back: "pages",
    rows: 1,
  },
  {
    name: "one row of several MB, read by rows",
    make: [
      ...BY_ROWS,
      "CREATE TABLE t(a, b)",
      "INSERT INTO t VALUES (randomblob(3000000), 'after'), (1, hex(randomblob(1500000)))",
    ],
    back: "rows",
    rows: 2,
  },
  {
    name: "a row that is too large to be read by SQL",
    make: [...BY_ROWS, "CREATE TABLE t(a)", "INSERT INTO t VALUES (zeroblob(9000000))"],
    back: "ROWS_UNAVAILABLE",
    rows: 1,
  },
  {
    name: "user_version and application_id",
    make: ["CREATE TABLE t(a)", "PRAGMA user_version = -5", "PRAGMA application_id = 2000000000"],
    back: "pages",
    rows: 0,
  },
  {
    name: "user_version and application_id, read by rows",
    make: [
      "CREATE TABLE t(a)",
      "PRAGMA user_version = -5",
      "PRAGMA application_id = 2000000000",
      CHECKPOINT,
    ],
    back: "rows",
    rows: 0,
  },
  {
    name: "a temporary table with the name of one that is read by rows",
    make: [...SHOP, CHECKPOINT, "CREATE TEMP TABLE orders (id INTEGER PRIMARY KEY, person)"],
    back: "ROWS_UNAVAILABLE",
    rows: 0,
  },
  {
    name: "a temporary table that hides none, read by rows",
    make: [...SHOP, CHECKPOINT, "CREATE TEMP TABLE scratch (a)", "INSERT INTO scratch VALUES (1)"],
    back: "rows",
    rows: 1100,
  },
  {
    name: "a temporary table with the name of one that is read by pages",
    make: [...SHOP, "CREATE TEMP TABLE orders (id INTEGER PRIMARY KEY, person)"],
    back: "pages",
    rows: 0,
  },
  {
    name: "the WAL of several processes",
    flags: ["--experimental-multiprocess-wal"],
    make: SHOP,
    back: "pages",
    rows: 1100,
  },
];
