import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import type { Manifest } from "../../../src/model/manifest.ts";
import type { Proof } from "../../../src/model/proof.ts";
import { hashSchema } from "../../../src/sqlite/facts.ts";
import type { Context } from "../../../src/worker/context.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { TursoDatabase } from "../../support/turso-database.ts";

const FLAGS = [
  "--experimental-views",
  "--experimental-index-method",
  "--experimental-custom-types",
] as const;
const ORDERS = Array.from({ length: 3000 }, (_, at) => `('item ${at % 700}', ${at})`).join(",");
const DOCS = Array.from({ length: 200 }, (_, at) => `('the ${at} quick fox ${at % 7}')`).join(",");

interface Case {
  readonly what: string;
  readonly make: readonly string[];
  /** One more change, after the first backup. */
  readonly change: string;
  /** Queries whose answers must be the same after a restore. */
  readonly asks: readonly string[];
  /** The objects that SQLite cannot read, and their features. */
  readonly foreign: readonly (readonly [string, string])[];
  /** The newest migration, where SQLite can read it. */
  readonly migration?: object;
  /** How messages name them. */
  readonly words: string;
}

const CASES: readonly Case[] = [
  {
    what: "a materialized view",
    make: [
      "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, n INT)",
      `INSERT INTO orders(item, n) VALUES ${ORDERS}`,
      "CREATE MATERIALIZED VIEW totals AS SELECT item, sum(n) AS total FROM orders GROUP BY item",
    ],
    change: "INSERT INTO orders(item, n) VALUES ('item 1', 1000000)",
    asks: ["SELECT * FROM orders", "SELECT * FROM totals"],
    foreign: [["totals", "materialized view"]],
    words: "totals (materialized view)",
  },
  {
    what: "an index of full text",
    make: [
      "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT)",
      "CREATE INDEX words ON docs USING fts (body)",
      "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT)",
      "INSERT INTO d1_migrations(name) VALUES ('0001_docs.sql')",
      `INSERT INTO docs(body) VALUES ${DOCS}`,
    ],
    change: "INSERT INTO docs(body) VALUES ('a fox once more')",
    asks: ["SELECT * FROM docs", "SELECT id FROM docs WHERE body MATCH 'fox'"],
    foreign: [
      ["__turso_internal_fts_dir_words_key", "index method backing_btree"],
      ["words", "index method fts"],
    ],
    migration: { table: "d1_migrations", name: "0001_docs.sql" },
    words:
      "words (index method fts), __turso_internal_fts_dir_words_key (index method backing_btree)",
  },
  {
    what: "custom types",
    make: [
      "CREATE TYPE cents BASE integer ENCODE value * 100 DECODE value / 100",
      "CREATE TABLE prices (id INTEGER PRIMARY KEY, amount cents, made date) STRICT",
      "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name varchar(20)) STRICT",
      "INSERT INTO d1_migrations(name) VALUES ('0001_prices.sql')",
      "INSERT INTO prices(amount, made) VALUES (5, '2026-01-02'), (7, NULL)",
    ],
    change: "UPDATE prices SET amount = 9 WHERE id = 1",
    asks: ["SELECT * FROM prices"],
    foreign: [
      ["__turso_internal_types", "custom types"],
      ["prices", "custom types cents, date"],
      ["d1_migrations", "custom type varchar (20)"],
    ],
    words:
      "prices (custom types cents, date), d1_migrations (custom type varchar (20)), __turso_internal_types (custom types)",
  },
  {
    what: "a custom type that no table uses",
    make: [
      "CREATE TYPE cents BASE integer ENCODE value * 100 DECODE value / 100",
      "CREATE TABLE plain (id INTEGER PRIMARY KEY, x)",
      "INSERT INTO plain(x) VALUES (1)",
    ],
    change: "INSERT INTO plain(x) VALUES (2)",
    asks: ["SELECT * FROM plain"],
    foreign: [["__turso_internal_types", "custom types"]],
    words: "__turso_internal_types (custom types)",
  },
];

let databases: TursoDatabase[] = [];
const opened = async (making: Promise<TursoDatabase>): Promise<TursoDatabase> => {
  const database = await making;
  databases.push(database);
  return database;
};
afterAll(async () => {
  for (const database of databases) await database.remove();
  databases = [];
});

/**
 * Answer queries with sorted rows. Each is asked twice: the first query of a materialized view after a start
 * or a checkpoint of tursodb 0.6.0 leaves rows out.
 */
const answers = async (database: TursoDatabase, asks: readonly string[]) => {
  const found = [];
  for (const ask of asks) {
    await database.exec(ask);
    found.push((await database.exec(ask)).map((row) => JSON.stringify(row)).toSorted());
  }
  return found;
};
const fileOf = async (context: Context, path: string, terms: object): Promise<Uint8Array> => {
  const api = apiOf(context);
  return api.bytes((await api.json(path, { format: "db", ...terms }))["url"]);
};

/** Back up, and return the manifest. */
async function capture(context: Context, name: string): Promise<Manifest> {
  expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done", error: null });
  return (await newestBackup(context.catalog, name))!.manifest;
}

describe.each(CASES)("a database with $what", ({ make, change, asks, ...known }) => {
  let source: TursoDatabase;
  let context: Context;
  let first: Manifest;
  let old: string[][];
  const name = `turso-${crypto.randomUUID().slice(0, 8)}`;

  beforeAll(async () => {
    source = await opened(TursoDatabase.create(...FLAGS));
    await source.exec(...make);
    context = testContext({ [name]: { url: source.source.url, checks: ["SELECT 1"] } });
    old = await answers(source, asks);
    first = await capture(context, name);
  });

  it("is captured with its tables, rows and schema, and its manifest names what SQLite lacks", async () => {
    expect(first.snapshot!.method.protocol).toBe("pull-updates");
    expect(first.warnings).toEqual(
      known.foreign.map(([where, message]) => ({ code: "TURSO_ONLY", where, count: 1, message })),
    );
    expect(first.schema.migration).toEqual(known.migration ?? null);
    const schema = await source.exec("SELECT type, name, tbl_name, sql FROM sqlite_schema");
    const rows = schema as [string, string, string, string | null][];
    expect(first.schema.hash).toBe(
      hashSchema(rows.map(([type, of, table, sql]) => ({ type, name: of, table, sql }))),
    );
    for (const [type, of] of rows) {
      if (type !== "table") continue;
      const [[count]] = (await source.exec(`SELECT count(*) FROM "${of}"`)) as [[string]];
      expect(first.tables).toContainEqual({ name: of, rows: Number(count) });
    }
    expect(first.tables.length).toBe(rows.filter(([type]) => type === "table").length);
  });

  it("is verified in full, and its drill says why it proves nothing", async () => {
    const verify = await prove(context, first.id, "verify");
    expect(verify).toMatchObject({ outcome: "verified", problem: null });
    expect(verify.checks.map(({ name: of, ok }) => [of, ok])).toEqual(
      ["manifest", "bytes", "structure", "rows", "schema", "spot check"].map((of) => [of, true]),
    );
    const { drill } = (await newestBackup(context.catalog, name))!;
    const proof = await (await env.BUCKET.get(drill!.proofKey))!.json<Proof>();
    expect(proof).toMatchObject({ outcome: "unproven", problem: { code: "TURSO_ONLY" } });
    expect(proof.problem!.message).toContain(known.words);
    expect(proof.problem!.hint).toMatch(/tursodb/);
    expect((await apiOf(context).json(`/v1/backups/${first.id}`))["knownBad"]).toBeNull();
  });

  it("comes back as a file that tursodb opens, and writes to", async () => {
    const bytes = await fileOf(context, `/v1/backups/${first.id}/links`, {});
    const copy = await opened(TursoDatabase.open(bytes, ...FLAGS));
    expect(await answers(copy, asks)).toEqual(old);
    await copy.exec(change);
    await source.exec(change);
    const now = await answers(source, asks);
    expect(now).not.toEqual(old);
    expect(await answers(copy, asks)).toEqual(now);
  });

  it("comes back as it was at a moment of the log, which the next capture continues", async () => {
    await source.exec(change);
    const second = await capture(context, name);
    expect(second.snapshot!.log!.txid).toBeGreaterThan(first.snapshot!.log!.txid);
    const now = await answers(source, asks);
    for (const [at, expected] of [
      [first.snapshot!.committedAt, old],
      [second.snapshot!.committedAt, now],
    ] as const) {
      const bytes = await fileOf(context, `/v1/databases/${name}/links`, { at });
      const copy = await opened(TursoDatabase.open(bytes, ...FLAGS));
      expect(await answers(copy, asks)).toEqual(expected);
    }
  });

  it("is refused with one code wherever SQLite would have to read it", async () => {
    const api = apiOf(context);
    const at = first.snapshot!.committedAt;
    const of = `/v1/backups/${first.id}`;
    const inDatabase = `/v1/databases/${name}`;
    const url = "http://127.0.0.1:9";
    const refused = [
      ...["sql", "libsql.sql.gz", "ndjson", "csv"].map(
        (format) =>
          [`${of}/links`, { format, ...(format === "csv" && { tables: ["x"] }) }] as const,
      ),
      [`${of}/links`, { format: "sql", only: "schema" }],
      [`${inDatabase}/links`, { at, format: "ndjson" }],
      [`${of}/query`, { sql: "SELECT 1" }],
      [`${inDatabase}/query`, { at, sql: "SELECT 1" }],
      [`${inDatabase}/diff`, { from: { backup: first.id }, to: { at } }],
      [`${of}/restore`, { target: { url } }],
      [`${inDatabase}/restore`, { at, target: { url }, way: "statements" }],
    ] as const;
    for (const [path, body] of refused) {
      const problem = await api.json(path, body, 422);
      expect({ path, ...body, code: problem["code"] }).toEqual({
        path,
        ...body,
        code: "TURSO_ONLY",
      });
      expect(problem["detail"] ?? problem["message"]).toContain(known.words);
      expect(problem["hint"]).toMatch(/`db` or `db.zst`/);
    }
    const link = await api.json(`${inDatabase}/links`, { at, format: "sql" });
    expect((await api.call(link["url"])).status).toBe(422);
    expect((await api.json(of))["formats"]).toEqual(["db.zst", "db"]);
  });

  it("is not given out at all once rows of it are on the erasure list", async () => {
    const api = apiOf(context);
    const entry = { table: "gone", column: "id", key: "1", who: "me" };
    const added = await api.json(`/v1/databases/${name}/erasures`, entry);
    expect(JSON.stringify(added)).toContain(known.words);
    for (const [format, code] of [
      ["db", "ERASURE_APPLIES"],
      ["db.zst", "ERASURE_APPLIES"],
      ["sql", "TURSO_ONLY"],
    ]) {
      const problem = await api.json(`/v1/backups/${first.id}/links`, { format }, 422);
      expect(problem["code"]).toBe(code);
    }
  });
});

describe("a database whose changes Turso's engine captures", () => {
  it("is one that SQLite opens: it passes its drill, and has no warnings", async () => {
    const source = await opened(TursoDatabase.create(...FLAGS));
    await source.exec(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, x)",
      "PRAGMA capture_data_changes_conn('full')",
      "INSERT INTO t(x) VALUES (1), (2)",
    );
    const name = `cdc-${crypto.randomUUID().slice(0, 8)}`;
    const context = testContext({ [name]: { url: source.source.url } });
    const { id, warnings, tables } = await capture(context, name);
    expect(warnings).toEqual([]);
    expect(tables).toContainEqual({ name: "turso_cdc", rows: 3 });
    expect(await prove(context, id, "drill")).toMatchObject({ outcome: "passed", problem: null });
    const copy = await opened(
      TursoDatabase.open(await fileOf(context, `/v1/backups/${id}/links`, {})),
    );
    const ask = ["SELECT change_type, table_name, id, after FROM turso_cdc ORDER BY change_id"];
    expect(await answers(copy, ask)).toEqual(await answers(source, ask));
  });
});
