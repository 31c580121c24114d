import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { parseRule } from "../../../src/format/masks/rule.ts";
import { originalsIn } from "../../support/originals.ts";
import {
  KEY,
  refusalOf as refusal,
  rulesOf,
  sanitized,
  Sanitizing,
} from "../../support/sanitizing.ts";

const world = new Sanitizing();
const imageOf = world.imageOf.bind(world);
const loaded = world.loaded.bind(world);
afterAll(() => world.stop());

const PEOPLE = `CREATE TABLE people(id INTEGER PRIMARY KEY, email TEXT UNIQUE, born TEXT, note, photo BLOB);
  INSERT INTO people VALUES
    (100001, 'ada@people.example', '1990-12-31T23:59:59Z', 'likes "tea"', X'0102030405'),
    (100002, 'bob@people.example', 'long ago', 654321, NULL),
    (100003, NULL, NULL, 7.5, X'');`;
const ALL = { id: "keep", email: "keep", born: "keep", note: "keep", photo: "keep" };

describe("a rule", () => {
  const masked = async (column: string, rule: string, key = KEY) => {
    const image = await imageOf(PEOPLE);
    const { rows, sql } = await sanitized(
      image,
      rulesOf({ people: { ...ALL, [column]: rule } }),
      key,
    );
    const { db } = await loaded(sql);
    const fromSql = db
      .prepare(
        `SELECT CASE typeof(${column}) WHEN 'integer' THEN 0 ELSE ${column} END AS v FROM people NOT INDEXED`,
      )
      .all();
    const given = rows
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).row[column]);
    if (fromSql.every(({ v }) => typeof v === "string" || v === null) && column !== "photo")
      expect(fromSql.map(({ v }) => v)).toEqual(given);
    return given;
  };

  it.each([
    ["email", "keep", ["ada@people.example", "bob@people.example", null]],
    ["email", "null", [null, null, null]],
    ["note", "fixed: gone", ["gone", "gone", "gone"]],
    ["note", "fixed: ", ["", "", ""]],
    ["born", "shift-date: 1", ["1991-01-01T23:59:59Z", /^[a-f][0-9a-f]{31}$/, null]],
    ["born", "shift-date: -365", ["1989-12-31T23:59:59Z", /^[a-f][0-9a-f]{31}$/, null]],
    ["born", "truncate: 4", ["1990", "long", null]],
    ["photo", "truncate: 2", [{ blob: "AQI=" }, null, { blob: "" }]],
    ["email", "fake: email", [/^[a-z]{10}\.[a-z]{12}@example\.com$/, /@example\.com$/, null]],
    ["email", "fake: name", [/^[A-Z][a-z]{7} [A-Z][a-z]{13}$/, /^[A-Z]/, null]],
    ["email", "fake: phone", [/^\+999 \d{6} \d{6} \d{6}$/, /^\+999/, null]],
    ["email", "fake: address", [/^\d+ [A-Z][a-z]+ Street, [A-Z][a-z]+$/, /Street/, null]],
    ["note", "fake: text", [/^[A-Z][a-z]+( [a-z]+){5,}\.$/, /\.$/, /\.$/]],
    ["note", "hash", [/^[a-f][0-9a-f]{31}$/, { integer: /^\d{10,19}$/ }, expect.any(Number)]],
    ["photo", "hash", [{ blob: /^[\w+/]{22}==$/ }, null, { blob: /^[\w+/]{22}==$/ }]],
    ["note", "truncate: 3", ["lik", { integer: /^\d+$/ }, expect.any(Number)]],
    ["note", "json: $.name = hash", ["null", "null", "null"]],
  ] as const)("%s: %s", async (column, rule, expected) => {
    const asExpected = (one: unknown): unknown =>
      one instanceof RegExp
        ? expect.stringMatching(one)
        : one !== null && typeof one === "object" && !("asymmetricMatch" in one)
          ? Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, asExpected(inner)]))
          : one;
    const given = await masked(column, rule);
    expect(given).toEqual(expected.map(asExpected));
    if (["keep", "null"].includes(rule) || /^(fixed|truncate|shift|json)/.test(rule)) return;
    expect(await masked(column, rule)).toEqual(given);
    expect(await masked(column, rule, `${KEY}2`)).not.toEqual(given);
  });

  it("json masks one path, and keeps the rest", async () => {
    const image = await imageOf(
      `CREATE TABLE t(id INTEGER PRIMARY KEY, doc TEXT);
       INSERT INTO t VALUES (1, '{"user":{"name":"Ada Lovelace","tags":["a"]},"n":1}'),
         (2, '{"user":{"name":"twice-1","name":"twice-2"}}'), (3, '{"user":null}'), (4, 'Ada, no json'),
         (5, '{"user":{"name":{"first":"Ada"}}}'), (6, '{"user":{"name":1815}}')`,
    );
    const rules = rulesOf({ t: { id: "keep", doc: "json: $.user.name = fake: name" } });
    const { rows, sql } = await sanitized(image, rules);
    const docs = rows
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(JSON.parse(line).row.doc));
    const name = expect.stringMatching(/^[A-Z][a-z]{7} [A-Z]/);
    expect(docs).toEqual([
      { user: { name, tags: ["a"] }, n: 1 },
      { user: { name } },
      { user: null },
      null,
      { user: { name } },
      { user: { name } },
    ]);
    expect(
      originalsIn(sql, ["Ada Lovelace", "twice-1", "twice-2", "Ada, no json", "first"]),
    ).toEqual([]);
  });

  it.each([
    "",
    "nul",
    "fake: person",
    "truncate: 0",
    "shift-date: 0",
    "json: name = hash",
    "json: $.a = keep",
  ])("is none: %s", (text) => expect(parseRule(text)).toBeUndefined());
});

describe("refused", () => {
  it("is a column, or a table, without a rule", async () => {
    const image = await imageOf(PEOPLE, "CREATE TABLE added(secret)");
    const { note, ...rest } = ALL;
    expect(await refusal(image, rulesOf({ people: rest, added: "drop" }))).toBe(
      "SANITIZE_RULES: people.note has no rule.",
    );
    expect(await refusal(image, rulesOf({ people: ALL }))).toBe(
      "SANITIZE_RULES: added.secret has no rule.",
    );
    expect(await refusal(image, rulesOf({ people: { ...rest, note } }, true))).toBe("given");
    expect(await refusal(image, rulesOf({ people: rest }, true))).toBe("given");
  });

  it("is a rule that a column cannot have", async () => {
    const image = await imageOf(
      `CREATE TABLE t(id INTEGER PRIMARY KEY, must TEXT NOT NULL, one TEXT UNIQUE);
       CREATE TABLE s(id INTEGER PRIMARY KEY, n INTEGER) STRICT;`,
    );
    const t = { id: "keep", must: "keep", one: "keep" };
    const s = { id: "keep", n: "keep" };
    const ruled = (more: object) => rulesOf({ t: { ...t, ...more }, s });
    expect(await refusal(image, ruled({ must: "null" }))).toMatch(
      /^SANITIZE_RULES: .*t\.must is null/,
    );
    expect(await refusal(image, ruled({ id: "null" }))).toMatch(/^SANITIZE_RULES: .*t\.id is null/);
    expect(await refusal(image, ruled({ one: "fixed: x" }))).toMatch(/t\.one makes equal values/);
    expect(await refusal(image, rulesOf({ t, s: { ...s, n: "fake: name" } }))).toMatch(
      /s\.n makes text/,
    );
    expect(await refusal(image, ruled({ ID: "keep" }))).toBe("given");
  });

  it("names rules of what is not there", async () => {
    const image = await imageOf(PEOPLE);
    const rules = rulesOf({ people: { ...ALL, gone: "hash" }, old: "drop", older: { a: "keep" } });
    expect((await sanitized(image, rules)).unused).toEqual(["people.gone", "old", "older.a"]);
  });

  it.each([
    ["a DEFAULT", "CREATE TABLE x(a DEFAULT 'ada@people.example')"],
    ["a DEFAULT that is a word", "CREATE TABLE x(a DEFAULT Lovelace)"],
    ["a DEFAULT in double quotes", 'CREATE TABLE x(a DEFAULT "ada@people.example")'],
    ["a part of a text", "CREATE TABLE x(a CHECK (a <> 'mail to ada@people.example now'))"],
    ["another case", "CREATE TABLE x(a CHECK (a <> 'ADA@people.example'))"],
    ["a number", "CREATE TABLE x(a CHECK (a <> -654321))"],
    ["a hexadecimal number", "CREATE TABLE x(a CHECK (a <> 0x9FBF1))"],
    ["a number as a text", "CREATE TABLE x(a CHECK (a <> '654321'))"],
    ["a real", "CREATE TABLE x(a DEFAULT 1234.5625)"],
    ["a blob", "CREATE TABLE x(a DEFAULT x'0102030405')"],
    ["a short text", "CREATE TABLE x(a DEFAULT 'Joe')"],
    ["a view", "CREATE VIEW x AS SELECT 1 WHERE 'ada@people.example' > ''"],
    ["a trigger", "CREATE TRIGGER x AFTER INSERT ON people BEGIN SELECT 'ada@people.example'; END"],
    ["a partial index", "CREATE INDEX x ON people(id) WHERE email = 'ada@people.example'"],
    ["a generated column", "CREATE TABLE x(a, b AS (a || 'ada@people.example'))"],
    ["the text of a type", 'CREATE TABLE x(a "ada@people.example")'],
  ])("is %s that holds a value", async (_, sql) => {
    const image = await imageOf(
      PEOPLE,
      "INSERT INTO people(note) VALUES ('Joe'), ('Lovelace'), (1234.5625)",
      sql,
    );
    const rules = rulesOf(
      { people: { ...ALL, email: "fake: email", note: "hash", photo: "hash" } },
      true,
    );
    const words = await refusal(image, rules);
    expect(words).toMatch(
      /^SANITIZE_UNSAFE: The text of the \w+ x in the schema holds a value of people\./,
    );
    expect(words).not.toMatch(/ada|654321|Joe|Lovelace|1234/i);
  });

  it("is no schema whose values are of columns that are kept, or short", async () => {
    const image = await imageOf(
      PEOPLE,
      "INSERT INTO people(note) VALUES ('x'), (12)",
      "CREATE TABLE x(a DEFAULT 'ada@people.example', b DEFAULT 'x', c CHECK (c < 12))",
    );
    expect(await refusal(image, rulesOf({ people: { ...ALL, note: "hash" } }, true))).toBe("given");
  });

  it.each([
    ["an R*Tree", "CREATE VIRTUAL TABLE v USING rtree(id, a, b)"],
    ["FTS5 without content", "CREATE VIRTUAL TABLE v USING fts5(a, content='')"],
  ])("is %s, unless it is dropped", async (_, sql) => {
    const image = await imageOf(PEOPLE, sql);
    expect(await refusal(image, rulesOf({ people: ALL }, true))).toMatch(/^SANITIZE_UNSAFE: .* v /);
    expect(await refusal(image, rulesOf({ people: ALL, v: "drop" }, true))).toBe("given");
  });
});

describe("not given", () => {
  it("are comments, statistics, rowids, deleted rows, words of an index, counters of masked keys", async () => {
    const image = await imageOf(
      `CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT /* as of ada-comment-1 */) -- ada-comment-2`,
      `CREATE INDEX i ON t(name)`,
      `INSERT INTO t VALUES (777777777, 'Ada-one-secret'), (5, 'Ada-two-secret')`,
      `CREATE TABLE plain(name); INSERT INTO plain(rowid, name) VALUES (888888888, 'kept-name')`,
      `CREATE VIRTUAL TABLE own USING fts5(body); INSERT INTO own VALUES ('secretword otherword')`,
      `INSERT INTO own VALUES ('deletedword here'); DELETE FROM own WHERE rowid = 2`,
      `CREATE VIRTUAL TABLE outer USING fts5(name, content='t', content_rowid='id')`,
      `INSERT INTO outer(outer) VALUES ('rebuild')`,
      `CREATE VIRTUAL TABLE words USING fts5vocab(own, 'row')`,
      `CREATE TABLE empty(a); INSERT INTO empty VALUES ('dropped-row')`,
      "ANALYZE",
    );
    const rules = rulesOf({
      t: { id: "hash", name: "fake: name" },
      plain: { name: "keep" },
      own: { rowid: "keep", body: "fake: text" },
      empty: "drop",
    });
    const { sql, rows, plan } = await sanitized(image, rules);
    const { db, bytes } = await loaded(sql);
    const originals = [
      ...["ada-comment-1", "ada-comment-2", "777777777", "Ada-one-secret", "Ada-two-secret"],
      ...["888888888", "secretword", "otherword", "deletedword", "dropped-row"],
    ];
    for (const output of [sql, rows, bytes]) expect(originalsIn(output, originals)).toEqual([]);
    expect(bytes.includes("kept-name")).toBe(true);
    expect(String(sql)).not.toMatch(/ANALYZE|sqlite_stat|own_data/);
    const one = (query: string) => Object.values(db.prepare(query).get()!)[0];
    const name = String(one("SELECT name FROM t LIMIT 1")).split(" ")[0]!;
    expect(one(`SELECT count(*) FROM outer WHERE outer MATCH '${name}'`)).toBe(1);
    expect(one("SELECT count(*) FROM words")).toBeGreaterThan(5);
    expect(one("SELECT count(*) FROM empty")).toBe(0);
    expect(one("PRAGMA integrity_check")).toBe("ok");
    expect(plan.tables.map((table) => table.name)).toEqual(["t", "plain", "own"]);
    expect(plan.tables.map(({ sequence }) => sequence)).toEqual([null, null, null]);
    db.close();
  });

  it("keeps the counter of a key that is kept", async () => {
    const image = await imageOf(
      "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, name); INSERT INTO t VALUES (50, 'x'); DELETE FROM t",
    );
    const { sql } = await sanitized(image, rulesOf({ t: { id: "keep", name: "hash" } }));
    const { db } = await loaded(sql);
    expect(db.prepare("SELECT seq FROM sqlite_sequence").get()).toEqual({ seq: 50 });
    db.close();
  });
});

describe("random databases", () => {
  /** True for bytes that no file has by itself, as it has runs of blanks, of zeros, and 0x10 before zeros. */
  const isTelling = (bytes: Uint8Array | string) =>
    new Set<unknown>(bytes as Iterable<unknown>).size >= 4;
  const wide = (one: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(one);
    return bytes;
  };
  const value = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.string({ unit: "grapheme", minLength: 6, maxLength: 20 }).filter(isTelling),
    },
    fc
      .bigInt({ min: 100_000n, max: 2n ** 60n })
      .filter((one) => isTelling(String(one)) && (one < 2n ** 40n || isTelling(wide(one)))),
    fc.uint8Array({ minLength: 6, maxLength: 20 }).filter(isTelling),
    fc.constant(null),
  );
  const literal = (one: unknown): string =>
    one === null
      ? "NULL"
      : one instanceof Uint8Array
        ? `X'${Buffer.from(one).toString("hex")}'`
        : typeof one === "bigint"
          ? String(one)
          : `'${String(one).replaceAll("'", "''").replaceAll("\0", "")}'`;
  const shape = fc.record({
    rows: fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 6 }),
    rule: fc.constantFrom(
      "hash",
      "fake: email",
      "fake: name",
      "fake: phone",
      "fake: text",
      "fake: address",
    ),
    withoutRowid: fc.boolean(),
    strict: fc.boolean(),
    fullText: fc.constantFrom("none", "own", "outer"),
    comment: fc.boolean(),
  });

  it("give no value of a masked column, and load", async () => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ rows, rule, withoutRowid, strict, fullText, comment }) => {
        const seen = new Set<string>();
        const unique = rows.filter(([first]) => {
          const key = literal(first);
          return first !== null && !seen.has(key) && seen.add(key);
        });
        const options = [withoutRowid && "WITHOUT ROWID", strict && "STRICT"]
          .filter(Boolean)
          .join(",");
        const any = strict ? "ANY" : "";
        const statements = [
          `CREATE TABLE parent(code ${any} PRIMARY KEY NOT NULL, word ${any} UNIQUE, more ${any} DEFAULT 'unset', twice ${any} AS (more || more))${options}`,
          "CREATE TABLE child(id INTEGER PRIMARY KEY, code REFERENCES parent(code), said)",
          `CREATE INDEX by_more ON parent(more, lower(word)) WHERE more <> 'unset'`,
          "CREATE VIEW both AS SELECT * FROM parent JOIN child USING (code)",
          `CREATE TRIGGER t AFTER INSERT ON child BEGIN UPDATE parent SET more = 'seen' WHERE 0; END`,
          ...unique.flatMap(([code, word, more]) => [
            `INSERT OR IGNORE INTO parent(code, word, more) VALUES (${literal(code)}, ${literal(word)}, ${literal(more)})`,
          ]),
          "INSERT INTO child(code, said) SELECT code, word FROM parent UNION ALL SELECT code, more FROM parent",
          "DELETE FROM child WHERE id = 1",
          ...(comment
            ? [
                `CREATE TABLE noted(a /* ${JSON.stringify(String(rows[0]![0])).replaceAll("*/", "")} */)`,
              ]
            : []),
          ...(fullText === "own"
            ? [
                "CREATE VIRTUAL TABLE found USING fts5(said)",
                "INSERT INTO found(rowid, said) SELECT id, said FROM child",
              ]
            : []),
          ...(fullText === "outer"
            ? [
                "CREATE VIRTUAL TABLE found USING fts5(said, content=child, content_rowid=id)",
                "INSERT INTO found(found) VALUES ('rebuild')",
              ]
            : []),
        ];
        const image = await imageOf(...statements);
        const rules = rulesOf({
          parent: { code: rule, word: rule, more: rule },
          child: { id: "keep", code: rule, said: rule },
          noted: { a: rule },
          found: { rowid: "keep", said: rule },
        });
        const { sql, rows: given } = await sanitized(image, rules);
        const { db, bytes } = await loaded(sql);
        const originals = unique
          .flat()
          .flatMap((one): (string | Uint8Array)[] =>
            one === null
              ? []
              : one instanceof Uint8Array
                ? [one]
                : [String(one).replaceAll("\0", "")],
          );
        for (const output of [sql, given, bytes])
          expect(originalsIn(output, originals)).toEqual([]);
        for (const one of unique.flat()) {
          // An integer in a file is big-endian.
          if (typeof one !== "bigint" || one < 2n ** 40n) continue;
          expect(bytes.includes(wide(one).subarray(one < 2n ** 47n ? 2 : 0))).toBe(false);
        }
        const source = await image.rows("SELECT count(*) FROM both", (row) =>
          Number(row.integer(0)),
        );
        expect(Object.values(db.prepare("SELECT count(*) FROM both").get()!)).toEqual(source);
        expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
        expect(db.prepare("PRAGMA foreign_key_check").all()).toEqual([]);
        db.close();
        image.close();
      }),
      { numRuns: Number(process.env["TRIALS"] ?? 200) },
    );
  });
});
