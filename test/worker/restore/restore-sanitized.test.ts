import { beforeAll, describe as group, expect, it } from "vitest";
import type { Context } from "../../../src/worker/context.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";
import { originalsIn } from "../../support/originals.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore } from "../../support/restores.ts";

const ORIGINALS = [
  ...["ada@people.example", "bob@people.example", "Ada Lovelace", "Bob Babbage", "Kensington"],
  ...["ada-session-token", "loves analytical engines", "hates street organs", "1815-12-10"],
];
const SCHEMA = `
  CREATE TABLE users(
    id INTEGER PRIMARY KEY, -- Ada Lovelace asked for it
    email TEXT UNIQUE, name TEXT, born DATETIME, credit INTEGER, town TEXT DEFAULT 'nowhere',
    shout TEXT AS (upper(name)) STORED);
  INSERT INTO users(id, email, name, born, credit, town) VALUES
    (7001, 'ada@people.example', 'Ada Lovelace', '1815-12-10', 10, 'Kensington'),
    (7002, 'bob@people.example', 'Bob Babbage', '1791-12-26', 20, 'Kensington'),
    (7003, NULL, NULL, 1234567, 'none', NULL);
  CREATE TABLE members(email TEXT PRIMARY KEY, level REAL) WITHOUT ROWID;
  INSERT INTO members VALUES ('ada@people.example', 1), ('bob@people.example', 2), ('cy@people.example', 3);
  CREATE TABLE orders(id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT REFERENCES users(email), total REAL);
  INSERT INTO orders VALUES (10, 'ada@people.example', 12.5), (11, 'ada@people.example', 1.0), (12, 'bob@people.example', 1.0);
  CREATE TABLE logins(who TEXT, token TEXT);
  INSERT INTO logins VALUES ('ada@people.example', 'ada-session-token'), ('ada@people.example', 'ada-session-token');
  CREATE TABLE sessions(token TEXT PRIMARY KEY, email TEXT);
  INSERT INTO sessions VALUES ('ada-session-token', 'ada@people.example');
  CREATE VIRTUAL TABLE notes USING fts5(body);
  INSERT INTO notes(rowid, body) VALUES (3, 'loves analytical engines'), (5, 'hates street organs');
  CREATE VIRTUAL TABLE people USING fts5(name, content='users', content_rowid='id');
  INSERT INTO people(people) VALUES ('rebuild');
  CREATE INDEX by_name ON users(name);
  CREATE VIEW ladies AS SELECT name FROM users;
  CREATE TRIGGER counted AFTER INSERT ON logins BEGIN UPDATE users SET credit = credit + 1; END;`;
const RULES = {
  users: {
    ...{ id: "hash", email: "fake: email", name: "fake: name", born: "hash" },
    ...{ credit: "fixed: 0", town: "truncate: 2" },
  },
  members: { email: "fake: email", level: "keep" },
  orders: { id: "keep", email: "fake: email", total: "fixed: 5" },
  logins: { who: "fake: email", token: "hash" },
  sessions: "drop",
  notes: { rowid: "keep", body: "fake: text" },
  gone: "drop",
};
const KEYS = { SHOP_SANITIZE_KEY: "a-key-of-more-than-24-characters" };

let source: PageDatabase;
let context: Context;
let path: string;
let target: PageDatabase;

const contextOf = (rules: object, more: Record<string, object> = {}) => {
  const shop = { ...source.config, sanitize: { key: "SHOP_SANITIZE_KEY", rules } };
  return testContext({ shop, ...more }, { secrets: KEYS });
};

beforeAll(async () => {
  source = await PageDatabase.create(SCHEMA);
  target = await PageDatabase.create();
  context = contextOf(RULES);
  const { backupId } = await backUp(context, manualRun("shop"));
  path = `/v1/backups/${backupId}/restore`;
});

const valuesOf = async (database: PageDatabase, sql: string) =>
  (await database.client.execute(sql)).rows.map((row) => Array.from(row));

group("a sanitized restore into a server", () => {
  it("tells in its plan what is masked, and which rules are for nothing", async () => {
    const { last } = await askRestore(context, path, {
      ...{ target: target.config, sanitize: true, dryRun: true },
    });
    expect(last["plan"]).toMatchObject({
      ...{ sanitized: true, unusedRules: ["gone"], way: "statements" },
      why: "pages hold the values as they are",
    });
    expect(last["plan"].tables).toContainEqual({ name: "sessions", rows: 0, virtual: false });
    expect(await valuesOf(target, "SELECT * FROM sqlite_schema")).toEqual([]);
  });

  it("writes masks and not one original byte, and compares every row by hash", async () => {
    const { last } = await askRestore(context, path, {
      ...{ target: target.config, sanitize: true, verify: true },
    });
    expect(last).toMatchObject({
      done: { sanitized: true, way: "statements", verified: { tables: 6, rows: 13, hashed: true } },
    });
    // The source's own bytes have them, so that the search is known to find them.
    expect(originalsIn(await databaseBytes(source.client), ORIGINALS)).toHaveLength(9);
    expect(originalsIn(await databaseBytes(target.client), ORIGINALS)).toEqual([]);
    expect(await valuesOf(target, "PRAGMA integrity_check")).toEqual([["ok"]]);
    expect(await valuesOf(target, "PRAGMA foreign_key_check")).toEqual([]);
  });

  it("has only the rows of a subset, and is compared with them", async () => {
    const subset = { root: "select id from users where name like 'Ada%'" };
    const shop = { ...source.config, sanitize: { key: "SHOP_SANITIZE_KEY", rules: RULES, subset } };
    const chosen = testContext({ shop }, { secrets: KEYS });
    const { backupId } = await backUp(chosen, manualRun("shop"));
    const small = await PageDatabase.create();
    const request = { target: small.config, sanitize: true };
    const { last: dry } = await askRestore(chosen, `/v1/backups/${backupId}/restore`, {
      ...{ ...request, dryRun: true },
    });
    expect(dry["plan"].tables).toContainEqual({ name: "users", rows: 1, virtual: false });
    const { last } = await askRestore(chosen, `/v1/backups/${backupId}/restore`, {
      ...{ ...request, verify: true },
    });
    expect(last).toMatchObject({ done: { verified: { hashed: true } } });
    expect(await valuesOf(small, "SELECT count(*) FROM users")).toEqual([[1]]);
    expect(await valuesOf(small, "SELECT id FROM orders ORDER BY id")).toEqual([[10], [11]]);
    expect(await valuesOf(small, "PRAGMA foreign_key_check")).toEqual([]);
    expect(originalsIn(await databaseBytes(small.client), ORIGINALS)).toEqual([]);
  });

  it("keeps what joins, indexes and counts", async () => {
    const joined =
      "SELECT count(*) FROM orders o JOIN users u USING (email) JOIN members USING (email)";
    expect(await valuesOf(target, joined)).toEqual([[3]]);
    expect(await valuesOf(target, "SELECT count(*) FROM sessions")).toEqual([[0]]);
    expect(await valuesOf(target, "SELECT DISTINCT typeof(credit), credit FROM users")).toEqual([
      ["integer", 0],
    ]);
    expect(await valuesOf(target, "SELECT DISTINCT typeof(total), total FROM orders")).toEqual([
      ["real", 5],
    ]);
    expect(await valuesOf(target, "SELECT name, seq FROM sqlite_sequence")).toEqual([
      ["orders", 12],
    ]);
    expect(await valuesOf(target, "SELECT * FROM people WHERE people MATCH 'lovelace'")).toEqual(
      [],
    );
    const [[name]] = (await valuesOf(target, "SELECT name FROM users WHERE name IS NOT NULL")) as [
      [string],
    ];
    expect(
      await valuesOf(target, `SELECT name FROM people WHERE people MATCH '"${name}"'`),
    ).toEqual([[name]]);
    const comments = "SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%--%'";
    expect(await valuesOf(target, comments)).toEqual([[0]]);
  });

  it.each([
    ["users", "UPDATE users SET name = 'other' WHERE rowid = (SELECT min(id) FROM users)"],
    ["members", "UPDATE members SET level = 9 WHERE level = 1"],
    ["notes", "UPDATE notes SET body = 'other' WHERE rowid = 3"],
    ["logins", "DELETE FROM logins WHERE rowid = 1"],
    ["sessions", "INSERT INTO sessions VALUES ('a', 'b')"],
  ])("finds a difference in %s", async (table, sql) => {
    const spoiled = await PageDatabase.create();
    const namespace = btoa(spoiled.namespace).replace(/=+$/, "");
    let left = 1;
    const fetch: Context["deps"]["fetch"] = async (url, init) => {
      const ours = new Headers(init.headers).get("x-namespace-bin") === namespace;
      if (ours && url.endsWith("/cursor") && --left === 0) await spoiled.exec(sql);
      return context.deps.fetch(url, init);
    };
    const { last } = await askRestore({ ...context, deps: { ...context.deps, fetch } }, path, {
      ...{ target: spoiled.config, sanitize: true, verify: true },
    });
    expect(last).toMatchObject({ error: { code: "RESTORE_DIFFERS" } });
    expect(last["error"].message).toContain(`table ${table} `);
  });

  it("writes a part: some tables, the schema, or rows into tables that are there", async () => {
    const part = await PageDatabase.create();
    const ask = (body: object) =>
      askRestore(context, path, {
        ...{ target: part.config, sanitize: true, verify: true, tables: ["logins", "users"] },
        ...body,
      });
    expect((await ask({ schemaOnly: true })).last).toMatchObject({ done: { sanitized: true } });
    expect(await valuesOf(part, "SELECT count(*) FROM users")).toEqual([[0]]);
    await part.exec("DROP TRIGGER counted");
    expect((await ask({ dataOnly: true })).last).toMatchObject({
      done: { verified: { tables: 2, rows: 5, hashed: true } },
    });
    expect(originalsIn(await databaseBytes(part.client), ORIGINALS)).toEqual([]);
  });

  it("leaves a target as it is whose schema would hold a masked value", async () => {
    const leaky = await PageDatabase.create(
      "CREATE TABLE t(a TEXT DEFAULT 'Ada Lovelace'); INSERT INTO t VALUES ('Ada Lovelace')",
    );
    const other = testContext(
      {
        leaky: {
          ...leaky.config,
          sanitize: { key: "SHOP_SANITIZE_KEY", rules: { t: { a: "hash" } } },
        },
        held: (await PageDatabase.create("CREATE TABLE kept(a)")).config,
      },
      { secrets: KEYS },
    );
    const { backupId } = await backUp(other, manualRun("leaky"));
    const empty = await PageDatabase.create();
    const { last } = await askRestore(other, `/v1/backups/${backupId}/restore`, {
      ...{ target: empty.config, sanitize: true },
    });
    expect(last).toMatchObject({ error: { code: "SANITIZE_UNSAFE" } });
    expect(await valuesOf(empty, "SELECT name FROM sqlite_schema")).toEqual([]);
  });

  it.each([
    ["by pages", { way: "pages" }, "TARGET_UNFIT", "pages hold the values as they are"],
    ["a column without a rule", {}, "SANITIZE_RULES", "users.born has no rule"],
    ["into the source itself", { toSource: true }, "TARGET_IS_SOURCE", "masks would replace"],
  ])("is refused %s", async (_, { toSource, ...body }: Record<string, unknown>, code, words) => {
    const { born, ...less } = RULES.users;
    const rules = code === "SANITIZE_RULES" ? { ...RULES, users: less } : RULES;
    expect(born).toBe("hash");
    const { status, last } = await askRestore(contextOf(rules), path, {
      ...{ sanitize: true, ...body },
      ...(toSource === true
        ? { target: { database: "shop" }, overwrite: true }
        : { target: (await PageDatabase.create()).config }),
    });
    expect([status, last["code"]]).not.toContain(200);
    expect(last).toMatchObject({ code, detail: expect.stringContaining(words) });
    expect(await valuesOf(source, "SELECT name FROM users WHERE id = 7001")).toEqual([
      ["Ada Lovelace"],
    ]);
  });

  it("is refused for a dump", async () => {
    const dumped = testContext(
      {
        dumped: {
          ...source.config,
          capture: "dump",
          sanitize: { key: "SHOP_SANITIZE_KEY", rules: RULES },
        },
      },
      { secrets: KEYS },
    );
    const { backupId } = await backUp(dumped, manualRun("dumped"));
    const { last } = await askRestore(dumped, `/v1/backups/${backupId}/restore`, {
      ...{ target: target.config, sanitize: true },
    });
    expect(last).toMatchObject({ code: "FORMAT_UNAVAILABLE" });
  });
});
