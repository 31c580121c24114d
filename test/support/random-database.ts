import fc from "fast-check";

/** Names that break exporters, or that look like what they are not. */
const NAMES = [
  ...[
    "t",
    "T2",
    "rowid",
    "oid",
    "_rowid_",
    "select",
    "",
    'q"t',
    "a'b",
    "space c",
    "ünï",
    "sqlitex",
  ],
  ...[
    "tab;le--",
    "[x]",
    "`tick`",
    "docs_data",
    "a\nb",
    "x/*y",
    "1st",
    "\u{1F319}",
    "$a(",
    "main.t",
  ],
];
const name = fc.constantFrom(...NAMES);
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

const number = fc.oneof(
  fc.constantFrom(
    ...["9223372036854775807", "(-9223372036854775807-1)", "9007199254740993", "0", "-1"],
    ...["1.0", "-0.0", "9e999", "-9e999", "5e-324", "1.7976931348623157e308", "0.1", "1e21"],
    ...["9223372036854775807.0", "123456789012345678.0", "2.2250738585072014e-308"],
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((real) => {
    const text = String(real);
    return /^-?[0-9]+$/.test(text) ? `${text}.0` : text;
  }),
  fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }).map(String),
);
const hex = (bytes: Uint8Array) => `X'${Buffer.from(bytes).toString("hex")}'`;
/** SQL of a value: also text that is not UTF-8, and text with NUL, CR and what looks like SQL. */
const value = fc.oneof(
  fc.constant("NULL"),
  number,
  fc.uint8Array({ maxLength: 40 }).map(hex),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => `CAST(${hex(bytes)} AS TEXT)`),
  fc
    .oneof(
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.constantFrom(
        "12",
        " 1e3 ",
        "it's\r\n\\r",
        "a\0b",
        "');\nDROP TABLE t;--",
        ".quit\n/\n",
        "\r",
        "",
      ),
      fc.integer({ min: 300, max: 9000 }).map((length) => "x".repeat(length)),
    )
    .map((text) => `CAST(${hex(Buffer.from(text))} AS TEXT)`),
);

const type = fc.constantFrom(
  "",
  "INTEGER",
  "INT",
  "REAL",
  "TEXT",
  "BLOB",
  "NUMERIC",
  "VARCHAR(9)",
  "ANY",
);
const rule = fc.constantFrom(
  ...["", "", "", "NOT NULL DEFAULT 5", "UNIQUE", "COLLATE NOCASE", "DEFAULT 'd''q'", "CHECK (1)"],
  ...["GENERATED ALWAYS AS ('g') STORED", "AS (1 + 2)"],
);
const key = fc.constantFrom(
  ...[
    "",
    "",
    "INTEGER PRIMARY KEY",
    "INTEGER PRIMARY KEY AUTOINCREMENT",
    "INTEGER PRIMARY KEY DESC",
  ],
  ...["TEXT PRIMARY KEY", "INT PRIMARY KEY"],
);
const options = fc.constantFrom("", "", "", "STRICT", "WITHOUT ROWID", "STRICT, WITHOUT ROWID");

const table = fc
  .record({
    name,
    columns: fc.uniqueArray(fc.tuple(name, type, rule), {
      minLength: 1,
      maxLength: 5,
      selector: ([column]) => column.toLowerCase(),
    }),
    key,
    options,
    rows: fc.array(fc.tuple(fc.array(value, { minLength: 5, maxLength: 5 }), number), {
      maxLength: 8,
    }),
    index: fc.constantFrom("", "INDEX", "UNIQUE INDEX"),
  })
  .map(({ name: called, columns, key: keyed, options: option, rows, index }) => {
    const first = quoted(columns[0]![0]);
    // Versions of SQLite differ in whether a STRICT table checks the type of a computed value.
    const list = columns.map(([column, typed, ruled], at) =>
      [
        quoted(column),
        at === 0 && keyed !== "" ? keyed : `${ruled.includes("AS (") ? "ANY" : typed} ${ruled}`,
      ].join(" "),
    );
    const stored = columns.filter(
      ([, , ruled], at) => !ruled.includes("AS (") || (at === 0 && keyed !== ""),
    );
    const into = stored.map(([column]) => quoted(column));
    const free = ["rowid", "oid", "_rowid_"].find(
      (alias) => !columns.some(([column]) => column.toLowerCase() === alias),
    );
    return [
      `CREATE TABLE ${quoted(called)}(${list.join(", ")}) ${option}`,
      ...rows.flatMap(([values, rowid]) => [
        `INSERT OR IGNORE INTO ${quoted(called)}(${into.join()}) VALUES (${values.slice(0, into.length).join()})`,
        ...(free === undefined || stored.length === 0
          ? []
          : [`UPDATE OR IGNORE ${quoted(called)} SET ${free} = ${rowid} WHERE ${free} = 1`]),
      ]),
      ...(index === ""
        ? []
        : [`CREATE ${index} ${quoted(`i ${called}`)} ON ${quoted(called)}(${first})`]),
      `CREATE VIEW ${quoted(`v ${called}`)} AS SELECT ${first} FROM ${quoted(called)}`,
      `CREATE TRIGGER ${quoted(`g ${called}`)} AFTER DELETE ON ${quoted(called)} BEGIN SELECT 'end;'; END`,
    ];
  });

const fullText = fc
  .tuple(fc.constantFrom("docs", 'f"q', "d o"), fc.array(value, { maxLength: 4 }))
  .map(([called, values]) => [
    `CREATE VIRTUAL TABLE ${quoted(called)} USING fts5(body, "it's")`,
    ...values.map((body) => `INSERT INTO ${quoted(called)}(body) VALUES (${body})`),
  ]);

/**
 * Statements that make a random database: schemas with odd names and all kinds of tables, and odd values.
 * Some of them are refused, which changes nothing.
 */
export const randomDatabase: fc.Arbitrary<string[]> = fc
  .tuple(
    fc.array(table, { minLength: 1, maxLength: 4 }),
    fc.option(fullText),
    fc.constantFrom(0, 1, -7, 2_147_483_647),
  )
  .map(([tables, virtual, version]) => [
    ...tables.flat(),
    ...(virtual ?? []),
    `PRAGMA user_version = ${version}`,
  ]);
