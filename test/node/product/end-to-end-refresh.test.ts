import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@libsql/client/http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import { bodyOf } from "../../../src/cli/client.ts";
import { Product } from "../../support/product.ts";

/** A staging database that the real Worker fills by itself, and the command line that tells of it. */
let product: Product;
let shop: ReturnType<typeof createClient>;
let staging: ReturnType<typeof createClient>;

const RULES = { customers: { name: "fake: name", email: "fake: email" }, gone: "drop" };

beforeAll(async () => {
  product = await Product.create();
  const [source, target] = [await product.sqld("shop"), await product.sqld("staging")];
  await loadShop(source.url, 0.1);
  shop = createClient({ url: source.url });
  staging = createClient({ url: target.url });
  await staging.executeMultiple("CREATE TABLE mine(a); INSERT INTO mine VALUES (7)");
  const sanitize = { key: "MASKS", required: true, unknown: "keep", rules: RULES };
  await product.start(
    {
      shop: { url: source.url, sanitize, refresh: { into: "staging" } },
      staging: { url: target.url, schedule: "0 0 1 1 *" },
    },
    { MASKS: "a-key-of-more-than-24-characters" },
  );
});
afterAll(() => product.stop());

const lines = async (from: typeof shop, sql: string) =>
  (await from.execute(sql)).rows.map((row) => JSON.stringify(Object.values(row)));

const refresh = async () =>
  (await bodyOf(product.client.v1.databases[":db"].$get({ param: { db: "shop" } }))).refresh!;

it("is filled after the first scheduled backup was drilled, and what it held is saved", async () => {
  await product.fireCron();
  while ((await refresh()).last?.endedAt == null) await sleep(200);
  const { last } = await refresh();
  expect(last).toMatchObject({ state: "done", trigger: "schedule", sanitized: true, error: null });
  expect(last!.saved).not.toBeNull();
  const saved = await product.nightjar(
    "query",
    "staging",
    "SELECT a FROM mine",
    "--backup",
    last!.saved!,
  );
  expect(saved).toMatchObject({ code: 0, out: expect.stringContaining("7") });
  const people = "SELECT name, email FROM customers";
  const originals = new Set(await lines(shop, people));
  const masks = await lines(staging, people);
  expect(masks).toHaveLength(originals.size);
  expect(masks.filter((mask) => originals.has(mask))).toEqual([]);
  const kept = "SELECT * FROM order_items ORDER BY order_id, sku";
  expect(await lines(staging, kept)).toEqual(await lines(shop, kept));
  expect(await lines(staging, "SELECT name FROM sqlite_schema WHERE name = 'mine'")).toEqual([]);
});

it("is filled again by `nightjar refresh`, with the newest proven backup, and saved no more", async () => {
  await shop.execute("DELETE FROM reviews");
  expect(await product.nightjar("backup", "shop")).toMatchObject({ code: 0 });
  const { code, out } = await product.nightjar("refresh", "shop");
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(
      /^staging is backup \w{12} of shop, as of .* UTC, sanitized: \d+ rows of 6 tables were compared\.\n$/,
    ),
  ]);
  expect(await lines(staging, "SELECT count(*) FROM reviews")).toEqual(["[0]"]);
  expect((await refresh()).last).toMatchObject({ trigger: "api", saved: null });
  const status = await product.nightjar("status", "shop");
  expect(status.out).toMatch(/shop: staging was refreshed 2.* UTC, as of 2.* UTC\./);
  expect(await product.nightjar("refresh", "staging")).toMatchObject({ code: 3 });
});

it("is restored into by hand with masks, which a file and a new Turso database are not", async () => {
  const before = await lines(shop, "SELECT * FROM customers");
  const to = ["--to-database", "staging", "--sanitize"];
  const plan = await product.nightjar("restore", "shop", ...to, "--overwrite", "--dry-run");
  expect(plan.out).toMatch(/Sanitized: masks in place of values\.\nA rule for nothing: gone/);
  const done = await product.nightjar("restore", "shop", ...to, "--overwrite", "--yes", "--verify");
  expect(done).toMatchObject({ code: 0 });
  expect(done.out).toMatch(/into staging, sanitized: 6 tables by statements.*the same, by hash\./);
  expect(done.err).toContain("`sanitize` has a rule for gone");
  const file = await product.nightjar("restore", "shop", "--to", "x.db", "--sanitize");
  expect(file).toMatchObject({
    code: 2,
    err: expect.stringContaining("pull shop --sanitize -o x.db"),
  });
  const itself = ["restore", "shop", "--to-database", "shop", "--sanitize", "--overwrite", "--yes"];
  expect(await product.nightjar(...itself)).toMatchObject({ code: 3 });
  expect(await lines(shop, "SELECT * FROM customers")).toEqual(before);
});
