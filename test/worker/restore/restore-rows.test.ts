import { beforeEach, describe, expect, it } from "vitest";
import { listAudit } from "../../../src/catalog/access/audit.ts";
import { newestBackup } from "../../../src/catalog/backups.ts";
import type { Context } from "../../../src/worker/context.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

const SCHEMA = `
  CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT UNIQUE, boss INTEGER REFERENCES people);
  CREATE TABLE orders (id INTEGER PRIMARY KEY, person INTEGER REFERENCES people, status TEXT, total REAL,
    double REAL AS (total * 2));
  CREATE TABLE lines (a TEXT COLLATE NOCASE, b INTEGER, order_id INTEGER REFERENCES orders, v,
    PRIMARY KEY (a, b)) WITHOUT ROWID;
  CREATE TABLE bare (v, w BLOB);
  INSERT INTO people VALUES (1, 'a@x', NULL), (2, 'b@x', 1), (3, 'c@x', 2);
  INSERT INTO orders (id, person, status, total) VALUES (41, 3, 'open', 1.5), (42, 3, 'paid', 2), (43, 1, 'open', -0.0);
  INSERT INTO lines VALUES ('x', 1, 42, 1152921504606846976), ('y', 2, 42, 1.0), ('Z', 3, 43, x'00ff'), ('n', 4, NULL, CAST(x'610062' AS TEXT));
  INSERT INTO bare VALUES ('one', NULL), (2, x''), (9e999, ''), (CAST(x'ff' AS TEXT), zeroblob(3000));`;
const TABLES = ["people", "orders", "lines", "bare"];

let context: Context;
let api: ReturnType<typeof apiOf>;
let shop: PageDatabase;
let from: { backup: string };

/** Run statements as an application that does not heed foreign keys. */
const exec = (sql: string) => shop.exec(`PRAGMA foreign_keys=OFF; ${sql}`);

/** Everything in the shop, bit for bit. */
async function contents(database = shop): Promise<string[]> {
  const lines: string[] = [];
  for (const table of TABLES) {
    const { rows: columns } = await database.client.execute(
      `SELECT name FROM pragma_table_info('${table}')`,
    );
    const list = columns.map(({ name }) => `typeof("${String(name)}") || hex("${String(name)}")`);
    const order = table === "bare" ? "rowid" : "1";
    const { rows } = await database.client.execute(
      `SELECT ${order === "rowid" ? "rowid || ' ' ||" : ""} ${list.join(" || ' ' || ")} FROM ${table} ORDER BY ${order}`,
    );
    lines.push(...rows.map((row) => `${table} ${String(row[0])}`));
  }
  return lines;
}

const ask = (more: object, status = 200, over: Context = context) =>
  apiOf(over).json(
    "/v1/databases/shop/restore-rows",
    { from, target: { database: "shop" }, ...more },
    status,
  );

beforeEach(async () => {
  shop = await PageDatabase.create(SCHEMA);
  context = testContext({ shop: shop.config, held: { ...shop.config, protected: true } });
  api = apiOf(context);
  expect(await backUp(context, manualRun("shop"))).toMatchObject({ state: "done" });
  from = { backup: (await newestBackup(context.catalog, "shop"))!.id };
}, 60_000);

describe("rows that are restored into their own database", () => {
  it("come back bit for bit: changed ones, missing ones, of tables of every kind", async () => {
    const before = await contents();
    await exec(`
      UPDATE orders SET status = 'lost', total = NULL WHERE id = 41;
      UPDATE lines SET v = 1 WHERE a = 'y';
      DELETE FROM lines WHERE b IN (1, 4);
      UPDATE lines SET v = '1' WHERE b = 3;
      UPDATE bare SET v = 1 WHERE rowid = 1; DELETE FROM bare WHERE rowid IN (3, 4);`);
    const dry = await ask({ table: "orders", where: "id in (41, 42)", dryRun: true });
    expect(dry).toMatchObject({
      tables: [{ name: "orders", added: 0, changed: 1, equal: 1 }],
      rows: [
        {
          ...{ table: "orders", change: "changed", key: [["id", 41]] },
          values: [
            ["status", "lost", "open"],
            ["total", null, 1.5],
          ],
        },
      ],
      ...{ missing: [], written: false },
    });
    expect(await contents()).not.toEqual(before);
    const done = await ask({
      table: "ORDERS",
      where: "id in (41, 42) -- these",
      plan: dry["plan"],
    });
    expect(done).toMatchObject({ written: true, plan: dry["plan"] });
    for (const table of ["lines", "bare"])
      expect(await ask({ table, where: "1" })).toMatchObject({ written: true });
    expect(await contents()).toEqual(before);
    expect(await ask({ table: "bare", where: "true" })).toMatchObject({
      ...{ tables: [{ added: 0, changed: 0, equal: 4 }], written: false },
    });
  });

  it("of a moment of the log, too, and the audit tells of it without a value", async () => {
    const { window } = await api.json("/v1/databases/shop/timeline");
    await exec("DELETE FROM lines WHERE a = 'x'");
    const moment = { at: window.to };
    await ask({ from: moment, table: "lines", where: "a = 'X'" });
    const { rows } = await shop.client.execute(
      "SELECT typeof(v), CAST(v AS TEXT) FROM lines WHERE a = 'x'",
    );
    expect([rows[0]![0], String(rows[0]![1])]).toEqual(["integer", "1152921504606846976"]);
    const [done] = await listAudit(context.catalog, { action: "restore" }, 1);
    expect(done).toMatchObject({ outcome: "done", database: "shop" });
    expect(JSON.parse(done!.detail)).toMatchObject({
      ...{ table: "lines", added: 1, changed: 0, target: "shop", dryRun: false },
      asOf: expect.any(String),
    });
    expect(done!.detail).not.toContain("'X'");
  });

  it("keep what the target has in other columns, and need those that they have", async () => {
    await exec(
      "ALTER TABLE orders ADD COLUMN note DEFAULT 'new'; UPDATE orders SET note = 'kept', status = 'x' WHERE id = 42; DELETE FROM orders WHERE id = 43",
    );
    await ask({ table: "orders", where: "id >= 42" });
    const { rows } = await shop.client.execute(
      "SELECT id, status, note, double FROM orders WHERE id > 41",
    );
    expect(rows.map((row) => [...Object.values(row)])).toEqual([
      [42, "paid", "kept", 4],
      [43, "open", "new", 0],
    ]);
    await exec("ALTER TABLE orders DROP COLUMN status; DELETE FROM orders WHERE id = 43");
    const refused = await ask({ table: "orders", where: "1" }, 422);
    expect(refused).toMatchObject({
      code: "TARGET_UNFIT",
      detail: expect.stringMatching(/status/),
    });
  });
});

describe("rows that refer to others", () => {
  it("are refused without them, and come with them if that is asked for", async () => {
    const before = await contents();
    await exec("DELETE FROM lines; DELETE FROM orders; DELETE FROM people WHERE id > 1");
    const without = await contents();
    const dry = await ask({ table: "lines", where: "b = 1", dryRun: true });
    expect(dry["missing"]).toEqual([
      { table: "orders", key: [["id", 42]], referredBy: "lines", stored: true },
    ]);
    const refused = await ask({ table: "lines", where: "b = 1" }, 409);
    expect(refused).toMatchObject({ code: "PARENTS_MISSING" });
    expect(refused["detail"]).toMatch(/orders \(id = 42\), which lines refers to/);
    expect(refused["hint"]).toMatch(/`withParents`/);
    expect(await contents()).toEqual(without);
    const done = await ask({ table: "lines", where: "b < 3", withParents: true });
    expect(done["tables"]).toEqual(
      expect.arrayContaining([
        { name: "lines", added: 2, changed: 0, equal: 0 },
        { name: "orders", added: 1, changed: 0, equal: 0 },
        { name: "people", added: 2, changed: 0, equal: 0 },
      ]),
    );
    const { rows } = await shop.client.execute("SELECT * FROM pragma_foreign_key_check");
    expect(rows).toEqual([]);
    for (const table of TABLES) await ask({ table, where: "1", withParents: true });
    expect(await contents()).toEqual(before);
  });

  it("do not change what others refer to", async () => {
    await exec(`CREATE TABLE logins (email TEXT REFERENCES people(email) ON UPDATE CASCADE);
      UPDATE people SET email = 'new@x' WHERE id = 1; INSERT INTO logins VALUES ('new@x')`);
    const before = await contents();
    const refused = await ask({ table: "people", where: "id = 1" }, 409);
    expect(refused).toMatchObject({
      code: "ROWS_REFUSED",
      detail: expect.stringMatching(/logins/),
    });
    expect(await contents()).toEqual(before);
  });
});

/** A context that runs `act` once, before or after the nth request to the server. */
function interrupted(nth: number, act: () => Promise<void>, lose = false): Context {
  let left = nth;
  return {
    ...context,
    deps: {
      ...context.deps,
      async fetch(url, init) {
        const isIt = url.endsWith("/pipeline") && --left === 0;
        if (isIt && !lose) await act();
        const answer = await context.deps.fetch(url, init);
        if (isIt && lose) {
          await act();
          throw new TypeError("connection lost");
        }
        return answer;
      },
    },
  };
}

describe("nothing is written", () => {
  const spoil = () =>
    exec("DELETE FROM orders WHERE id = 43; UPDATE orders SET total = 7 WHERE id = 41");
  /** Schema, the table of the parent, sizes, rows, the parents; then the transaction. */
  const TRANSACTION = 6;

  it("if a row changed since it was compared: whatever request comes between", async () => {
    await spoil();
    for (let nth = 1; nth <= TRANSACTION; nth++) {
      await exec("UPDATE orders SET total = 7 WHERE id = 41; DELETE FROM orders WHERE id = 43");
      const meddle = () => exec("UPDATE orders SET total = 8 WHERE id = 41");
      const dry = await ask({ table: "orders", where: "1", dryRun: true });
      const answer = await ask(
        { table: "orders", where: "1", plan: dry["plan"] },
        409,
        interrupted(nth, meddle),
      );
      expect(answer, String(nth)).toMatchObject({ code: "TARGET_CHANGED" });
      const { rows } = await shop.client.execute("SELECT id, total FROM orders");
      expect(rows.map((row) => [...Object.values(row)])).toEqual([
        [41, 8],
        [42, 2],
      ]);
    }
  });

  it("if a row came since, or one that is equal changed", async () => {
    await spoil();
    for (const meddle of [
      "INSERT INTO orders (id, status) VALUES (43, 'theirs')",
      "DELETE FROM orders WHERE id = 43; UPDATE orders SET status = 'theirs' WHERE id = 42",
    ]) {
      const over = interrupted(TRANSACTION, () => exec(meddle));
      expect(await ask({ table: "orders", where: "1" }, 409, over)).toMatchObject({
        code: "TARGET_CHANGED",
      });
      const { rows } = await shop.client.execute("SELECT count(*) FROM orders WHERE total = 7");
      expect(rows[0]![0]).toBe(1);
    }
  });

  it("if the server fails at any request, and the error says so", async () => {
    await spoil();
    const before = await contents();
    for (let nth = 1; nth <= TRANSACTION; nth++) {
      const over = interrupted(nth, async () => {
        throw new TypeError("connection refused");
      });
      const answer = await ask({ table: "orders", where: "1" }, 424, over);
      expect(answer, String(nth)).toMatchObject({ code: "TARGET_UNREACHABLE" });
      expect(await contents()).toEqual(before);
    }
  });

  it("if a parent goes since", async () => {
    await exec("DELETE FROM lines WHERE b = 3");
    const over = interrupted(TRANSACTION, () => exec("DELETE FROM orders WHERE id = 43"));
    expect(await ask({ table: "lines", where: "b = 3" }, 409, over)).toMatchObject({
      code: "PARENTS_MISSING",
    });
    const { rows } = await shop.client.execute("SELECT count(*) FROM lines");
    expect(rows[0]![0]).toBe(3);
  });

  it("if a constraint refuses a row, even one that replaces others by its own words", async () => {
    await exec("DELETE FROM people WHERE id = 3; INSERT INTO people VALUES (9, 'c@x', NULL)");
    const refused = await ask({ table: "people", where: "1" }, 409);
    expect(refused).toMatchObject({ code: "ROWS_REFUSED" });
    expect(refused["detail"]).toMatch(/key 3.*UNIQUE constraint failed: people.email/);
    const other = await PageDatabase.create(`
      CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT UNIQUE ON CONFLICT REPLACE, boss INTEGER);
      INSERT INTO people VALUES (9, 'c@x', NULL)`);
    const there = await ask({ table: "people", where: "1", target: other.config }, 409);
    expect(there).toMatchObject({ code: "ROWS_REFUSED" });
    const { rows } = await other.client.execute("SELECT id FROM people");
    expect(rows.map(({ id }) => id)).toEqual([9]);
  });

  it("where triggers would run, a key is another one, a column converts, or a row is too many", async () => {
    await spoil();
    await exec("CREATE TRIGGER loud AFTER INSERT ON orders BEGIN DELETE FROM lines; END");
    expect(await ask({ table: "orders", where: "1" }, 422)).toMatchObject({
      ...{ code: "TARGET_UNFIT", detail: expect.stringMatching(/loud/) },
    });
    const other = await PageDatabase.create(`
      CREATE TABLE orders (id INTEGER, person, status TEXT, total REAL, PRIMARY KEY (id, person));
      CREATE TABLE bare (v TEXT, w BLOB);
      CREATE VIEW people AS SELECT 1 AS id`);
    const target = other.config;
    for (const [table, words] of [
      ["orders", /key/],
      ["bare", /as they are/],
      ["people", /no table/],
      ["lines", /no table/],
    ] as const)
      expect(await ask({ table, where: "1", target }, 422), table).toMatchObject({
        ...{ code: "TARGET_UNFIT", detail: expect.stringMatching(words) },
      });
    const { rows } = await other.client.execute("SELECT count(*) FROM bare");
    expect(rows[0]![0]).toBe(0);
    expect(await ask({ table: "none", where: "1" }, 404)).toMatchObject({ code: "TABLE_UNKNOWN" });
    for (const where of ["id = (SELECT 1)", "1) OR (1", "id = ?"])
      expect(await ask({ table: "orders", where }, 400)).toMatchObject({ code: "QUERY_REFUSED" });
  });
});

describe("a lost answer", () => {
  it("to the transaction is made up for by a look at the rows", async () => {
    const before = await contents();
    await exec("DELETE FROM orders WHERE id = 43");
    const over = interrupted(6, async () => undefined, true);
    expect(await ask({ table: "orders", where: "1" }, 200, over)).toMatchObject({ written: true });
    expect(await contents()).toEqual(before);
  });
});

it("10,000 rows are restored, and one more is refused", async () => {
  await exec(`CREATE TABLE many (id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
    INSERT INTO many SELECT i, hex(randomblob(100)) FROM n;`);
  await backUp(context, manualRun("shop"));
  from = { backup: (await newestBackup(context.catalog, "shop"))!.id };
  const { rows } = await shop.client.execute("SELECT group_concat(v) FROM many");
  await exec("UPDATE many SET v = NULL WHERE id % 2; DELETE FROM many WHERE id % 3 = 0");
  expect(await ask({ table: "many", where: "1" }, 422)).toMatchObject({ code: "ROWS_TOO_MANY" });
  const done = await ask({ table: "many", where: "id <= 10000" });
  expect(done).toMatchObject({ written: true, rowsLeftOut: expect.any(Number) });
  expect(done["rows"].length + done["rowsLeftOut"]).toBeGreaterThan(6000);
  await ask({ table: "many", where: "id > 10000" });
  expect((await shop.client.execute("SELECT group_concat(v) FROM many")).rows).toEqual(rows);
});

it("an erased row stays erased, and a protected database takes a second person", async () => {
  await api.json("/v1/databases/shop/erasures", { table: "people", column: "email", key: "c@x" });
  await exec("DELETE FROM people");
  const done = await ask({ table: "people", where: "1" });
  expect(done["tables"]).toEqual([{ name: "people", added: 2, changed: 0, equal: 0 }]);
  await exec("DELETE FROM people");
  const body = { table: "people", where: "id = 1", target: { database: "held" } };
  const waiting = await ask(body, 409);
  expect(waiting).toMatchObject({ code: "APPROVAL_REQUIRED" });
  const { rows } = await shop.client.execute("SELECT count(*) FROM people");
  expect(rows[0]![0]).toBe(0);
});
