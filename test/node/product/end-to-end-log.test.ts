import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Client, createClient } from "@libsql/client/http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { getPlatformProxy } from "wrangler";
import { decodeLtxHeader } from "../../../src/format/ltx/header.ts";
import { parseSegmentKey } from "../../../src/store/segment-keys.ts";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import {
  NO_LITESTREAM,
  putSegment,
  readWithLitestream,
  SNAPSHOT_LEVEL,
} from "../../support/litestream.ts";
import { Product } from "../../support/product.ts";

/**
 * The page log from outside: a database followed by the Durable Object's own alarm, and at the end the
 * contents of the bucket, read by a third-party program.
 */
let product: Product;
let source: Client;
let followed: Client;
let changedAt: number;

const CHECKS = [
  "PRAGMA integrity_check",
  "SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2",
];

/** The database at each moment: how to query it, and what the source answered then. */
const moments: { at: string; queries: string[]; rows: string[] }[] = [];

/** Return every row of each table of the source, with rowid, types and values, as one text per table. */
async function tables(): Promise<string[]> {
  const { rows } = await source.execute(
    `SELECT t.name, t.wr, group_concat(format('typeof("%w") || '' '' || quote("%w")', c.name, c.name), ' || '', '' || ') AS line
     FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
     WHERE t.type = 'table' AND t.name <> 'sqlite_schema' AND t.schema = 'main' GROUP BY t.name`,
  );
  return rows.map((row) => {
    const [name, values] = [String(row["name"]), String(row["line"])];
    return row["wr"] === 1
      ? `SELECT ${values} AS line FROM "${name}" ORDER BY 1`
      : `SELECT rowid || ' ' || ${values} AS line FROM "${name}" ORDER BY rowid`;
  });
}

const text = (rows: readonly Record<string, unknown>[]) =>
  rows.map((row) => Object.values(row).join("|")).join("\n");

async function backedUp(): Promise<void> {
  expect((await product.nightjar("backup", "shop")).code).toBe(0);
  const { window } = await product.timeline("shop", moments.length + 1);
  const queries = [...CHECKS.slice(1), ...(await tables())];
  const rows: string[] = [];
  for (const query of queries) {
    const answer = await source.execute(query);
    rows.push(answer.rows.map((row) => Array.from(row).join("|")).join("\n"));
  }
  moments.push({
    at: window.to,
    queries: [...CHECKS.slice(0, 1), ...queries],
    rows: ["ok", ...rows],
  });
}

beforeAll(async () => {
  product = await Product.create();
  const [shop, other] = [await product.sqld("shop"), await product.sqld("followed")];
  await loadShop(shop.url, 0.25);
  source = createClient({ url: shop.url });
  followed = createClient({ url: other.url });
  await followed.executeMultiple("CREATE TABLE t (v); INSERT INTO t VALUES ('first')");
  await product.start({
    shop: { url: shop.url },
    followed: { url: other.url, follow: "10s" },
    lost: { url: "http://127.0.0.1:9", follow: "10s", attempts: 1 },
  });
  // The wake and its pause pass while the other tests run.
  await product.fireCron();
  await product.ended("followed");
  await product.ended("shop");
  await product.timeline("followed");
  await followed.execute("INSERT INTO t VALUES ('second')");
  changedAt = Date.now();
});

afterAll(async () => {
  source.close();
  followed.close();
  await product.stop();
});

describe("the log of backups", () => {
  it("grows by what changed, and gives each moment back", async () => {
    await backedUp();
    await source.executeMultiple(`
      UPDATE customers SET name = 'Ада ' || name WHERE id % 400 = 0;
      DELETE FROM photos WHERE id > 280;
      ALTER TABLE reviews ADD COLUMN helpful INTEGER DEFAULT 3;
    `);
    await backedUp();
    await source.executeMultiple(`
      INSERT INTO photos (sku, bytes) SELECT sku, randomblob(60000) FROM products LIMIT 5;
      DELETE FROM order_items WHERE order_id % 2 = 0;
      CREATE INDEX customers_by_city ON customers (city);
    `);
    await backedUp();
    for (const { at, queries, rows } of moments) {
      const { code } = await product.nightjar("pull", "shop", "--at", at, "-o", `${at}.db`);
      expect(code).toBe(0);
      const copy = new DatabaseSync(join(product.dir, `${at}.db`));
      expectSame(
        queries.map((query) => text(copy.prepare(query).all())),
        rows,
      );
      copy.close();
    }
    expect(moments[0]!.queries).toHaveLength(9);
    expect(new Set(moments.map(({ rows }) => rows.join())).size).toBe(3);
  });
});

describe("a database that is followed", () => {
  it("has its changes in the timeline without another backup", async () => {
    const { changes, window } = await product.timeline("followed", 2);
    expect(changes[0]).toMatchObject({ whole: false, commits: 1 });
    expect(Date.parse(window.to)).toBeGreaterThanOrEqual(changedAt);
    expect(Date.parse(changes[0]!.at)).toBeLessThan(changedAt + 25_000);
    expect(await product.backups("followed")).toHaveLength(1);
    const ask = ["query", "followed", "SELECT group_concat(v) FROM t"];
    const now = await product.nightjar(...ask, "--at", window.to, "--json");
    expect(JSON.parse(now.out)).toMatchObject({ rows: [["first,second"]] });
    const before = await product.nightjar(...ask, "--at", changes[1]!.at, "--json");
    expect(JSON.parse(before.out)).toMatchObject({ rows: [["first"]] });
    expect(JSON.parse((await product.nightjar(...ask, "--json")).out)).toMatchObject({
      rows: [["first"]], // the newest backup
    });
  });
});

it("says in the status that a source cannot be followed, and nothing where it can", async () => {
  const { out } = await product.nightjar("status");
  expect(out).toMatch(/^lost: not followed, \d+ tries failed: .*\[SOURCE_UNREACHABLE\]$/m);
  expect(out).not.toMatch(/^followed: not followed/m);
  const { databases } = JSON.parse((await product.nightjar("status", "--json")).out);
  expect(databases.map(({ follow }: any) => follow)).toMatchObject([
    { seconds: 10, failures: 0, error: null, triedAt: expect.any(String) },
    { seconds: 10, error: { code: "SOURCE_UNREACHABLE" } },
    null,
  ]);
});

describe.skipIf(NO_LITESTREAM !== undefined)(NO_LITESTREAM ?? "stock Litestream", () => {
  it("reads the log as it lies in the bucket, now and as it was", async () => {
    await product.worker.stop();
    const folder = join(product.dir, "replica");
    const levels = await copyLog("shop", folder);
    expect(levels).toContain(0);
    expect(levels).toContain(SNAPSHOT_LEVEL);
    const newest = moments.at(-1)!;
    expectSame((await readWithLitestream(folder, newest.queries)).map(text), newest.rows);
    for (const { at, queries, rows } of moments)
      expectSame((await readWithLitestream(folder, queries, { at: new Date(at) })).map(text), rows);

    const other = join(product.dir, "followed-replica");
    await copyLog("followed", other);
    const sql = ["PRAGMA integrity_check", "SELECT v FROM t ORDER BY rowid"];
    expect((await readWithLitestream(other, sql)).map(text)).toEqual(["ok", "first\nsecond"]);
  });
});

/** Compare large texts without printing a diff. */
function expectSame(found: readonly string[], expected: readonly string[]): void {
  expect(found.map((rows, at) => rows === expected[at] || rows.slice(0, 300))).toEqual(
    expected.map(() => true),
  );
}

/** Copy the files of a log from the local R2 into a folder; returns the levels found. */
async function copyLog(database: string, folder: string): Promise<number[]> {
  const configPath = join(product.dir, "bucket.json");
  const buckets = [{ binding: "BUCKET", bucket_name: "nightjar" }];
  await writeFile(configPath, JSON.stringify({ name: "bucket", r2_buckets: buckets }));
  const persist = { path: join(product.persistTo, "v3") };
  const { env, dispose } = await getPlatformProxy<{ BUCKET: R2Bucket }>({ configPath, persist });
  try {
    const { objects, truncated } = await env.BUCKET.list({ prefix: `log/${database}/` });
    expect(truncated).toBe(false);
    const lineages = new Set<string>();
    const levels: number[] = [];
    for (const { key } of objects) {
      const name = parseSegmentKey(key);
      if (name === undefined) continue; // the note of a large segment
      const { lineage, level } = name;
      lineages.add(lineage);
      levels.push(level);
      const bytes = new Uint8Array(await (await env.BUCKET.get(key))!.arrayBuffer());
      await putSegment(folder, level, decodeLtxHeader(bytes), bytes);
    }
    expect(lineages.size).toBe(1);
    return levels;
  } finally {
    await dispose();
  }
}
