import { readFileSync, readdirSync, existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import { originalsIn } from "../../support/originals.ts";
import { runCli } from "../../support/run-cli.ts";
import { Product } from "../../support/product.ts";

/** Sanitized files by the command line, against the real Worker: the shop without the people in it. */
let product: Product;
/** The shop as it is. */
let raw: DatabaseSync;
/** A token with the scope `download` alone. */
let developer: string;

const RULES = {
  customers: {
    ...{ id: "hash", name: "fake: name", email: "fake: email" },
    ...{ city: "fake: text", joined: "hash" },
  },
  products: { sku: "keep", title: "keep", price: "keep", stock: "keep" },
  photos: { id: "keep", sku: "keep", bytes: "hash" },
  orders: { id: "keep", customer: "hash", placed: "hash", note: "fake: text" },
  order_items: { order_id: "keep", sku: "keep", quantity: "keep", price: "keep" },
  reviews: { sku: "keep", customer: "hash", stars: "keep", said: "fake: text" },
};
const MASKED = [
  ...["customers.name", "customers.email", "customers.city", "customers.joined"],
  "photos.bytes",
  ...["orders.placed", "orders.note", "reviews.said"],
];
const JOINS = [
  "SELECT count(*) AS n FROM customers JOIN orders ON orders.customer = customers.id",
  "SELECT count(*) AS n FROM reviews JOIN customers ON customers.id = reviews.customer JOIN orders USING (customer)",
  "SELECT count(*) AS n FROM bestsellers",
  "SELECT max(n) AS n FROM (SELECT count(*) AS n FROM orders GROUP BY customer)",
];
/** The customers that a subset starts from; with them come their orders, reviews and what these name. */
const ROOT = "SELECT id FROM customers WHERE id % 3 = 0 ORDER BY joined DESC, id";
const THEIRS = `(${ROOT} LIMIT 25)`;
const SUBSET = {
  customers: `id IN ${THEIRS}`,
  orders: `customer IN ${THEIRS}`,
  order_items: `order_id IN (SELECT id FROM orders WHERE customer IN ${THEIRS})`,
  reviews: `customer IN ${THEIRS}`,
  products: `sku IN (SELECT sku FROM reviews WHERE customer IN ${THEIRS} UNION
    SELECT sku FROM order_items JOIN orders ON id = order_id WHERE customer IN ${THEIRS})`,
  photos: "0",
};
const inDir = (...names: string[]) => join(product.dir, ...names);
const nightjar = (...args: string[]) => product.nightjar(...args);

beforeAll(async () => {
  product = await Product.create();
  const shop = await product.sqld("shop");
  await loadShop(shop.url, 0.2);
  const sanitize = { key: "MASKS", required: true, rules: { ...RULES, gone: "drop" } };
  const subset = { root: ROOT, rows: 25 };
  await product.start(
    {
      shop: { url: shop.url, sanitize },
      part: { url: shop.url, sanitize: { key: "MASKS", rules: RULES, subset } },
    },
    { MASKS: "a-key-of-more-than-24-characters" },
  );
  expect(await nightjar("backup", "shop")).toMatchObject({ code: 0 });
  expect(await nightjar("backup", "part")).toMatchObject({ code: 0 });
  expect(await nightjar("pull", "shop", "-o", "raw.db")).toMatchObject({ code: 0 });
  raw = new DatabaseSync(inDir("raw.db"), { readOnly: true });
  const made = await nightjar("token", "create", "dev", "--scope", "download", "--json");
  developer = (JSON.parse(made.out) as { token: string }).token;
});
afterAll(async () => {
  raw.close();
  await product.stop();
});

const asDeveloper = (...args: string[]) =>
  runCli(args, product.dir, { NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: developer });

/** All values of the masked columns. */
function originals(): (string | Uint8Array)[] {
  return MASKED.flatMap((place) => {
    const [table, column] = place.split(".") as [string, string];
    const rows = raw.prepare(`SELECT DISTINCT ${column} AS v FROM ${table}`).all();
    return rows.flatMap(({ v }) => (v === null ? [] : [v as string | Uint8Array]));
  });
}

it("pull --sanitize makes a sound file with no value of a masked column in its bytes", async () => {
  const made = await asDeveloper("pull", "shop", "--sanitize", "-o", "dev.db");
  expect(made).toMatchObject({ code: 0 });
  expect(made.out).toMatch(/dev\.db: .*shop as of 2.*, sanitized\./);
  expect(made.err).toMatch(/Warning: `sanitize` has a rule for gone/);
  const values = originals();
  expect(values.length).toBeGreaterThan(3000);
  expect(originalsIn(readFileSync(inDir("dev.db")), values)).toEqual([]);
  const db = new DatabaseSync(inDir("dev.db"));
  expect(db.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  expect(db.prepare("PRAGMA foreign_key_check").all()).toEqual([]);
  for (const sql of JOINS) expect(db.prepare(sql).get(), sql).toEqual(raw.prepare(sql).get());
  expect(db.prepare("SELECT count(DISTINCT email) AS n FROM customers").get()).toEqual(
    raw.prepare("SELECT count(DISTINCT email) AS n FROM customers").get(),
  );
  // And it works as the shop does.
  db.exec("INSERT INTO order_items SELECT 1, sku, 1, 1 FROM products LIMIT 0");
  db.close();
});

it("pull --sanitize writes SQL to standard output, and no file there", async () => {
  const piped = await asDeveloper("pull", "shop", "--sanitize", "--format", "sql", "-o", "-");
  expect(piped).toMatchObject({ code: 0, out: expect.stringMatching(/COMMIT;\n$/) });
  expect(originalsIn(Buffer.from(piped.out), originals())).toEqual([]);
  const file = await asDeveloper("pull", "shop", "--sanitize", "-o", "-");
  expect(file).toMatchObject({
    code: 2,
    out: "",
    err: expect.stringContaining("has to have a name"),
  });
  expect(existsSync(inDir("-"))).toBe(false);
});

it("export --sanitize and url --sanitize give no such value either", async () => {
  expect(await asDeveloper("export", "shop", "--sanitize", "-o", "data/")).toMatchObject({
    code: 0,
  });
  const values = originals();
  for (const file of readdirSync(inDir("data")))
    expect(originalsIn(readFileSync(inDir("data", file)), values), file).toEqual([]);
  const imported = await nightjar("import", "data/", "--to", "again.db");
  expect(imported.code, imported.err).toBe(0);
  expect(imported.err).not.toContain("Note");
  expect(originalsIn(readFileSync(inDir("again.db")), values)).toEqual([]);
  const again = new DatabaseSync(inDir("again.db"), { readOnly: true });
  const dev = new DatabaseSync(inDir("dev.db"), { readOnly: true });
  for (const table of Object.keys(RULES)) {
    const sql = `SELECT * FROM ${table} ORDER BY 1, 2, 3`;
    const rowsOf = (db: DatabaseSync) => {
      const statement = db.prepare(sql);
      statement.setReadBigInts(true);
      return statement.all();
    };
    expect(rowsOf(again), table).toEqual(rowsOf(dev));
  }
  again.close();
  dev.close();
  const { out } = await asDeveloper("url", "shop", "--sanitize", "--format", "ndjson");
  const bytes = new Uint8Array(await (await fetch(out.trim())).arrayBuffer());
  expect(originalsIn(bytes, values)).toEqual([]);
});

it("a subset has the customers of its root, and all that belongs to them", async () => {
  const made = await asDeveloper("pull", "part", "--sanitize", "-o", "part.db", "--json");
  expect(made.code, made.err).toBe(0);
  const { subset, notes } = JSON.parse(made.out) as { subset: object[]; notes: string[] };
  expect(notes).toEqual([]);
  expect(made.err).toMatch(
    /A subset of the rows: customers 25, products \d+, photos 0, orders \d+/,
  );
  const exported = await asDeveloper("export", "part", "--sanitize", "-o", "part/");
  expect(exported.code, exported.err).toBe(0);
  const db = new DatabaseSync(inDir("part.db"));
  const countOf = (of: DatabaseSync, sql: string) =>
    Number(of.prepare(`SELECT count(*) AS n FROM ${sql}`).get()!["n"]);
  for (const [name, where] of Object.entries(SUBSET)) {
    const rows = countOf(raw, `${name} WHERE ${where}`);
    expect([name, countOf(db, name)]).toEqual([name, rows]);
    expect(subset).toContainEqual({ name, rows });
    const lines = readFileSync(inDir("part", `${name}.ndjson`), "utf8").split("\n").length - 1;
    expect([name, lines]).toEqual([name, rows]);
  }
  expect(countOf(db, "order_items")).toBeGreaterThan(25);
  expect(countOf(db, "products")).toBeLessThan(countOf(raw, "products"));
  expect(db.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  expect(db.prepare("PRAGMA foreign_key_check").all()).toEqual([]);
  for (const join of [
    "customers JOIN orders ON orders.customer = customers.id",
    "reviews JOIN customers ON customers.id = reviews.customer JOIN orders USING (customer)",
    "orders JOIN order_items ON order_id = orders.id JOIN products USING (sku) JOIN customers ON customers.id = customer",
  ])
    expect(countOf(db, join), join).toBe(countOf(raw, `${join} WHERE customer IN ${THEIRS}`));
  const values = originals();
  expect(originalsIn(readFileSync(inDir("part.db")), values)).toEqual([]);
  for (const file of readdirSync(inDir("part")))
    expect(originalsIn(readFileSync(inDir("part", file)), values), file).toEqual([]);
  db.close();
});

it("without --sanitize a developer gets nothing, and is told what to do", async () => {
  for (const args of [
    ["pull", "shop"],
    ["pull", "shop", "--format", "sql"],
    ["url", "shop"],
    ["export", "shop", "-o", "nothing/"],
    ["query", "shop", "SELECT * FROM customers"],
  ]) {
    const refused = await asDeveloper(...args);
    expect(refused.code, args.join(" ")).not.toBe(0);
    expect(refused.err).toMatch(/given sanitized only[^]*--sanitize/);
    expect(refused.out).toBe("");
  }
  for (const name of ["shop.db", "shop.sql", "nothing"])
    expect(existsSync(inDir(name))).toBe(false);
  const refused = await asDeveloper("pull", "shop", "--sanitize", "--format", "db.zst");
  expect(refused.err).toMatch(/has the pages as they are/);
});
