import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createClient } from "@libsql/client/http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import { Product } from "../../support/product.ts";

/** Exports and imports by the command line, against the real Worker. */
let product: Product;
/** When the shop had not lost its reviews yet. */
let before: string;

const nightjar = (...args: string[]) => product.nightjar(...args);
const inDir = (...names: string[]) => join(product.dir, ...names);
const lines = (text: string) => text.split("\n").filter((line) => line !== "");

beforeAll(async () => {
  product = await Product.create();
  const shop = await product.sqld("shop");
  await loadShop(shop.url);
  await product.start({ shop: { url: shop.url }, dumped: { url: shop.url, capture: "dump" } });
  for (const name of ["shop", "dumped"])
    expect(await nightjar("backup", name)).toMatchObject({ code: 0 });
  await nightjar("log", "pull", "shop");
  before = new Date().toISOString();
  await createClient({ url: shop.url }).execute("DELETE FROM reviews");
  await nightjar("log", "pull", "shop");
});
afterAll(() => product.stop());

/** Every row of every table, as SQLite's own functions write it. */
function rowsOf(file: string): Record<string, string[]> {
  const db = new DatabaseSync(file, { readOnly: true });
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const found = tables.map(({ name }) => {
    const columns = db.prepare("SELECT name FROM pragma_table_info(?)").all(name!);
    const list = columns.map((column) => `quote("${String(column["name"])}")`).join("||','||");
    const rows = db.prepare(`SELECT ${list} AS r FROM "${String(name)}" ORDER BY 1`).all();
    return [String(name), rows.map(({ r }) => String(r))];
  });
  db.close();
  return Object.fromEntries(found) as Record<string, string[]>;
}

it("a folder is imported as the database that a pull gives", async () => {
  mkdirSync(inDir("repository"));
  execFileSync("git", ["init", "-q", inDir("repository")]);
  const made = await nightjar("export", "shop", "-o", "repository/data/");
  expect(made).toMatchObject({ code: 0 });
  expect(made.out).toMatch(/data: 6 tables, \d+ rows, \d\.\d MB, shop as of 2/);
  expect(made.err).toMatch(/warning: the export has .*git does not ignore it.*data\/.*\.gitignore/);
  const folder = inDir("repository", "data");
  expect(readdirSync(folder).toSorted()).toEqual([
    ...["customers.ndjson", "export.json", "order_items.ndjson", "orders.ndjson"],
    ...["photos.ndjson", "products.ndjson", "reviews.ndjson", "schema.sql"],
  ]);
  const { tables } = JSON.parse(readFileSync(join(folder, "export.json"), "utf8"));
  for (const { file, sha256, rows } of tables) {
    const bytes = readFileSync(join(folder, file));
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
    expect(lines(bytes.toString())).toHaveLength(rows);
  }

  const imported = await nightjar("import", "repository/data", "--to", "new.db");
  expect(imported).toMatchObject({ code: 0 });
  expect(imported.err).not.toMatch(/Note|warning/);
  expect(imported.out).toMatch(/new\.db: .* rows of shop as of .*SQLite finds it sound/);
  expect(await nightjar("pull", "shop", "-o", "pulled.db")).toMatchObject({ code: 0 });
  expect(rowsOf(inDir("new.db"))).toEqual(rowsOf(inDir("pulled.db")));
  const db = new DatabaseSync(inDir("new.db"));
  expect(db.prepare("PRAGMA user_version").get()).toEqual({ user_version: 7 });
  const kinds = db.prepare(
    "SELECT type, count(*) AS n FROM sqlite_schema WHERE sql NOT NULL GROUP BY 1",
  );
  expect(kinds.all().map(({ type, n }) => [type, n].join(" "))).toEqual([
    ...["index 2", "table 7", "trigger 1", "view 1"],
  ]);
  db.close();
  expect((await nightjar("import", "repository/data", "--to", "new.db")).err).toContain(
    "is there already",
  );

  // The same data makes the same files; what git ignores is nobody's matter.
  execFileSync("git", ["-C", inDir("repository"), "add", "-A"]);
  const again = await nightjar("export", "shop", "-o", "repository/data/");
  expect(again.code).toBe(0);
  const diff = execFileSync("git", ["-C", inDir("repository"), "diff", "--stat"], {
    encoding: "utf8",
  });
  expect(diff).toBe("");
  execFileSync("sh", ["-c", "git rm -rq --cached data && echo 'data/' >> .gitignore"], {
    cwd: inDir("repository"),
  });
  const ignored = await nightjar("export", "shop", "-o", "repository/data/");
  expect(ignored.code).toBe(0);
  expect(ignored.err).not.toContain("warning");
});

it("a stream is CSV, NDJSON or JSON of what was asked for", async () => {
  const csv = await nightjar(
    ...["export", "shop", "--format", "csv", "--tables", "reviews", "-o", "-"],
    ...["--where", "reviews: stars = 5 AND said IS NOT NULL"],
  );
  expect(csv).toMatchObject({ code: 0, err: "" });
  expect(csv.out).toMatch(/^sku,customer,stars,said\r\n"[^"]+",\d+,5,"/);
  const two = await nightjar(
    ...["export", "shop", "--tables", "orders,customers", "-o", "-"],
    ...["--where", "orders: id <= 2", "--where=customers: id = 1", "--order", "key"],
  );
  expect(lines(two.out).map((line) => [JSON.parse(line).table, JSON.parse(line).row.id])).toEqual([
    ...[
      ["customers", 1],
      ["orders", 1],
      ["orders", 2],
    ],
  ]);
  const file = await nightjar(
    "export",
    "shop",
    "--format",
    "json",
    "--tables",
    "products",
    "-o",
    "p.json",
  );
  expect(file).toMatchObject({ code: 0 });
  const document = JSON.parse(readFileSync(inDir("p.json"), "utf8"));
  expect(Object.keys(document)).toEqual(["products"]);
  expect(document.products[0]).toMatchObject({
    sku: expect.any(String),
    stock: expect.any(Number),
  });
  const schema = await nightjar("export", "shop", "--schema-only", "-o", "-");
  expect(schema.out).toMatch(/^PRAGMA.*CREATE TABLE customers.*COMMIT;\n$/s);
  expect(schema.out).not.toContain('INSERT INTO "');
});

it("is of a moment, too, and a link gives the same", async () => {
  const { out: timeline } = await nightjar("timeline", "shop", "--json");
  const now = (JSON.parse(timeline) as { window: { to: string } }).window.to;
  const count = async (...at: string[]) => {
    const { out, err } = await nightjar("export", "shop", "--tables", "reviews", "-o", "-", ...at);
    expect(err).toBe("");
    return lines(out).length;
  };
  expect(await count("--at", before)).toBeGreaterThan(100);
  expect(await count("--at", now)).toBe(0);
  expect(
    await nightjar(
      "export",
      "shop",
      "--at",
      before,
      "-o",
      "then/",
      "--tables",
      "reviews,products,customers",
    ),
  ).toMatchObject({ code: 0 });
  expect(await nightjar("import", "then/export.json", "--to", "then.db")).toMatchObject({
    code: 0,
  });
  const { out: url } = await nightjar(
    ...["url", "shop", "--at", before, "--format", "ndjson", "--tables", "reviews"],
  );
  expect(await (await fetch(url.trim())).text()).toBe(
    readFileSync(inDir("then", "reviews.ndjson"), "utf8"),
  );
});

it("loads SQL of some tables with the sqlite3 shell, as safe as a backup", async () => {
  const { out: url } = await nightjar("url", "shop", "--format", "sql", "--tables", "products");
  const sql = Buffer.from(await (await fetch(url.trim())).arrayBuffer());
  const shell = spawnSync("sqlite3", ["-safe", "-bail", ":memory:"], {
    input: Buffer.concat([sql, Buffer.from("SELECT count(*) > 10 FROM products;\n")]),
    encoding: "utf8",
  });
  if (shell.error === undefined) expect([shell.stdout, shell.stderr]).toEqual(["1\n", ""]);
});

it("tells what cannot be exported before anything is written", async () => {
  const dumped = await nightjar("export", "dumped", "-o", "dumped/");
  expect(dumped).toMatchObject({ code: 3 });
  expect(dumped.err).toMatch(/A dump can be downloaded as .*\n {2}.*nightjar pull/);
  for (const [words, args] of [
    ["There is no table nowhere", ["--tables", "nowhere"]],
    ["must name one table", ["--format", "csv", "-o", "-"]],
    ["no such column: nme", ["--where", "orders: nme = 1"]],
    ["not opened", ["--where", "orders: 1) UNION SELECT 1 --"]],
  ] as const) {
    const refused = await nightjar("export", "shop", ...args);
    expect(refused.err).toContain(words);
    expect(refused).toMatchObject({ code: 3, out: "" });
  }
  expect(readdirSync(product.dir)).not.toContain("shop.ndjson");
});
