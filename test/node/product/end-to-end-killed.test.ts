import { type Client, createClient } from "@libsql/client/http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bodyOf } from "../../../src/cli/client.ts";
import { Product } from "../../support/product.ts";

/**
 * Kill all of workerd with SIGKILL, including its R2, D1, Workflows and Durable Objects, while it backs up
 * and pulls. Afterwards, everything that it claims must match what the source contained.
 */
let product: Product;
let source: Client;

const KILLS = 4;
const DATABASES = (url: string) => ({ shop: { url, follow: "10s", stall: "10s" } });
const BACKUP = { tier: "manual", labels: {}, wait: false } as const;
const STATE = "SELECT n FROM counter";
const ROWS = "SELECT count(*) || ' ' || sum(length(pad)) || ' ' || max(id) FROM items";

beforeAll(async () => {
  product = await Product.create();
  const { url } = await product.sqld("shop");
  source = createClient({ url });
  await source.executeMultiple(`
    CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0);
    CREATE TABLE items (id INTEGER PRIMARY KEY, pad TEXT);`);
  await product.start(DATABASES(url));
});
afterAll(() => product.stop());

/** The rows for each value of the counter. */
const states = new Map<number, string>();

async function write(): Promise<void> {
  const [, , n, rows] = await source.batch(
    [
      "UPDATE counter SET n = n + 1",
      `WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 2000)
       INSERT INTO items (pad) SELECT hex(randomblob(abs(random()) % 300)) FROM s`,
      STATE,
      ROWS,
    ],
    "write",
  );
  states.set(Number(n!.rows[0]![0]), String(rows!.rows[0]![0]));
}

/** Check that the rows match the counter in an answer, and return the counter. */
function known([n, rows]: readonly unknown[]): number {
  expect(rows, `when the counter stood at ${String(n)}`).toBe(states.get(n as number));
  return n as number;
}

it("claims only what the source held, whenever workerd is killed", async () => {
  const param = { db: "shop" };
  const sql = `SELECT (${STATE}), (${ROWS})`;
  const ask = async (at: string) => {
    const asked = product.client.v1.databases[":db"].query.$post({
      param,
      json: { sql, args: [], at },
    });
    return known((await bodyOf(asked)).rows[0]!);
  };
  await write();
  expect((await product.nightjar("backup", "shop")).code).toBe(0);
  await product.timeline("shop"); // the log has begun
  const claims: { at: string; n: number }[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    await write();
    const { backups, log } = product.client.v1.databases[":db"];
    const dying = [backups.$post({ param, json: BACKUP }), log.$post({ param })];
    const ended = Promise.allSettled(dying);
    await sleep(Math.random() * 600);
    await write();
    await product.killAndRestart();
    await ended;
    const pulled = await bodyOf(product.client.v1.databases[":db"].log.$post({ param }));
    if (pulled.log === null) continue;
    const { window } = await product.timeline("shop");
    claims.push({ at: window.to, n: states.size });
  }
  expect((await product.nightjar("backup", "shop")).code).toBe(0);

  for (const { at, n } of claims) expect(await ask(at), at).toBe(n);
  const { changes } = await product.timeline("shop");
  for (const { at } of changes) await ask(at);
  const backups = await product.backups("shop");
  for (const { id } of backups) {
    const asked = product.client.v1.backups[":id"].query.$post({
      param: { id },
      json: { sql, args: [] },
    });
    known((await bodyOf(asked)).rows[0]!);
  }
  expect(claims.length).toBeGreaterThan(2);
  // The first and the last; of the killed runs, those whose Workflow has ended by now.
  expect(backups.length).toBeGreaterThan(1);
});
