import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { findBackup, newestBackup } from "../../../src/catalog/backups.ts";
import { openLineage, segmentsOf } from "../../../src/catalog/lineages.ts";
import { listAudit } from "../../../src/catalog/access/audit.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { putRotted } from "../../support/rotted.ts";

const { BUCKET } = env;
const RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

let context: ReturnType<typeof testContext>;
let api: ReturnType<typeof apiOf>;
let database: PageDatabase;

async function backup(name = "shop"): Promise<string> {
  expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
  return (await newestBackup(context.catalog, name))!.id;
}

/** Make a change, pull it, and return the moment. */
async function change(sql: string): Promise<string> {
  await database.exec(sql);
  await context.followers.pull("shop");
  const { window } = await api.json("/v1/databases/shop/timeline");
  await new Promise((resolve) => setTimeout(resolve, 20));
  return window.to as string;
}

const ask = (more: object = {}, status = 200, db = "shop") =>
  api.json(`/v1/databases/${db}/history`, { table: "users", key: [1], ...more }, status);

const told = ({ changes }: Record<string, any>) =>
  changes.map(({ change: what, changed }: { change: string; changed: [] }) => [what, ...changed]);

beforeAll(async () => {
  database = await PageDatabase.create(`
    CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, name TEXT);
    CREATE TABLE tags (a, b TEXT, v, PRIMARY KEY (a, b));
    CREATE VIRTUAL TABLE words USING fts5(body);
    INSERT INTO users VALUES (1, 'a@x', 'Ann'), (2, 'b@x', 'Bob');
    INSERT INTO tags VALUES (x'00', '7', -0.0);`);
  context = testContext({
    shop: database.config,
    dumped: { ...database.config, capture: "dump" },
    sealed: { ...database.config, recipients: [RECIPIENT] },
    empty: database.config,
    mixed: database.config,
  });
  api = apiOf(context);
  await backup();
  for (const name of ["dumped", "sealed"]) await backup(name);
}, 60_000);

describe("the history of a row", () => {
  it("tells what changed, from which state on, and where it is", async () => {
    const since = await change("UPDATE users SET name = 'Anna' WHERE id = 1");
    await change("UPDATE users SET name = 'Bobby' WHERE id = 2");
    const id = await backup();
    await change("DELETE FROM users WHERE id = 1");
    const all = await ask();
    expect(told(all)).toEqual([["removed"], ["changed", ["name", "Ann", "Anna"]], ["there"]]);
    expect(all["changes"][0]).toMatchObject({
      ...{ backup: null, after: expect.any(String), txid: expect.any(Number) },
      values: [
        ["id", 1],
        ["email", "a@x"],
        ["name", "Anna"],
      ],
    });
    expect(all["looked"]).toMatchObject({ backups: 2 });
    expect(told(await ask({ since }))).toEqual([["removed"], ["there"]]);
    expect(told(await ask({ since: "2020-01-01T00:00:00Z" }))).toEqual(told(all));
    const { changes } = await ask({ key: ["2"] });
    expect(changes[0]).toMatchObject({ change: "changed", changed: [["name", "Bob", "Bobby"]] });
    // The row's state of a backup names the backup.
    expect(changes[0].backup).toBe(id);
    expect(await ask({ key: [3] })).toMatchObject({ changes: [], truncated: false });
    const [act] = await listAudit(context.catalog, { action: "history" }, 1);
    expect(act).toMatchObject({ outcome: "done", database: "shop" });
    expect(act!.detail).not.toContain("a@x");
  });

  it("takes keys of every type, and says which it needs", async () => {
    const found = await ask({ table: "TAGS", key: [{ blob: "AA==" }, 7] });
    expect(found["changes"][0]).toMatchObject({
      values: [
        ["a", { blob: "AA==" }],
        ["b", "7"],
        ["v", { real: "-0.0" }],
      ],
    });
    expect(found["key"]).toEqual([
      ["a", { blob: "AA==" }],
      ["b", 7],
    ]);
    const few = await ask({ table: "tags" }, 400);
    expect(few["detail"]).toMatch(/The key of tags is a, b: it takes 2 values/);
    for (const key of [[null], [{ text: 5 }], []]) await ask({ key }, 400);
    await ask({ cursor: "gone-7" }, 400);
    for (const table of ["none", "words", "sqlite_schema"])
      expect(await ask({ table }, 404)).toMatchObject({ code: "TABLE_UNKNOWN" });
  });

  it("refuses what has no state that can be read in place, and counts what is left out", async () => {
    for (const db of ["dumped", "sealed", "empty"])
      expect(await ask({}, 422, db)).toMatchObject({ code: "MOMENT_UNAVAILABLE" });
    const made = async (more: object) => {
      const other = testContext({ mixed: { ...database.config, ...more } });
      expect(await backUp(other, manualRun("mixed"))).toMatchObject({ state: "done" });
    };
    for (const more of [{ capture: "dump" }, { recipients: [RECIPIENT] }, {}]) await made(more);
    const { changes, leftOut } = await ask({ key: [2] }, 200, "mixed");
    expect(leftOut).toEqual({ dumps: 1, encrypted: 1, unreadable: 0, otherKey: 0 });
    expect(changes).toMatchObject([{ change: "there", backup: expect.any(String) }]);
  });

  it("shows no row that is erased, also where the row itself did not change since", async () => {
    await change("INSERT INTO users VALUES (9, 'gone@x', 'Zoe')");
    await change("UPDATE users SET name = 'Zoey' WHERE id = 9");
    expect(told(await ask({ key: [9] }))).toHaveLength(2);
    await api.json("/v1/databases/shop/erasures", {
      table: "Users",
      column: "Email",
      key: "gone@x",
    });
    const hidden = await ask({ key: [9] });
    expect(hidden["changes"]).toEqual([]);
    expect(JSON.stringify(hidden)).not.toMatch(/Zoe|gone@x/);
    // A commit counts as made at the earliest possible time, which is that of the look before it.
    for (const id of [7, 8]) await change(`INSERT INTO users VALUES (${id}, 'other@x', 'New')`);
    const { changes } = await ask({ key: [9] });
    expect(changes).toMatchObject([{ change: "added" }]);
    await change("UPDATE users SET email = 'new@x' WHERE id = 9");
    expect(told(await ask({ key: [9] }))).toEqual([
      ["changed", ["email", "gone@x", "new@x"]],
      ["added"],
    ]);
  });

  it("goes on where a table is made anew, with another key, and where states are damaged", async () => {
    await change(
      "CREATE TABLE turns (id INTEGER PRIMARY KEY, v); INSERT INTO turns VALUES (1, 'a')",
    );
    await change("DROP TABLE turns");
    await change(
      "CREATE TABLE turns (id INTEGER, v, k, PRIMARY KEY (id, k)); INSERT INTO turns VALUES (1, 'b', 1)",
    );
    await change(
      "DROP TABLE turns; CREATE TABLE turns (v, id INTEGER PRIMARY KEY); INSERT INTO turns VALUES ('c', 1)",
    );
    const turns = await ask({ table: "turns" });
    expect(told(turns)).toEqual([["added"], ["removed"], ["added"]]);
    expect(turns["leftOut"].otherKey).toBe(1);

    const { id } = (await openLineage(context.catalog, "shop"))!;
    const segments = (await segmentsOf(context.catalog, id)).filter(({ minTxid }) => minTxid > 1);
    const { key, bytes } = segments[1]!;
    const before = await (await BUCKET.get(key))!.arrayBuffer();
    await putRotted(key, new Uint8Array(bytes));
    const damaged = await ask();
    expect(damaged["leftOut"].unreadable).toBeGreaterThan(0);
    expect(damaged["changes"].at(-1)).toMatchObject({ change: "there" });
    await putRotted(key, before);
    expect((await ask())["leftOut"].unreadable).toBe(0);
  });

  it("reads backups where there is no log", async () => {
    const ids: string[] = [];
    for (const sql of [
      "UPDATE users SET name = 'one' WHERE id = 2",
      "UPDATE users SET name = 'two' WHERE id = 2",
    ]) {
      await database.exec(sql);
      ids.push(await backup());
    }
    const { DB } = env;
    await DB.batch(["segments", "lineages"].map((table) => DB.prepare(`DELETE FROM ${table}`)));
    const found = await ask({ key: [2] });
    expect(found["changes"].slice(0, 2)).toMatchObject([
      { backup: ids[1], changed: [["name", "one", "two"]] },
      { backup: ids[0], change: "changed" },
    ]);
    const { manifest } = (await findBackup(context.catalog, ids[1]!))!;
    expect(manifest.snapshot!.log).not.toBeNull();
  });
});
