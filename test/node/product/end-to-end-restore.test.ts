import { existsSync, readdirSync } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createClient } from "@libsql/client/http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import type { ServerProcess } from "../../../scripts/lib/server-process.ts";
import { startKillable } from "../../support/killing-proxy.ts";
import { differences, loaded, Product, TOKEN } from "../../support/product.ts";
import { runCli } from "../../support/run-cli.ts";
import { makeSourceToken } from "../../support/source-token.ts";
import { startTursoStandIn } from "../../support/turso-stand-in.ts";

/** `nightjar restore` against the real Worker and real libSQL servers. */
let product: Product;
let shop: ServerProcess;
let spare: ServerProcess;
const { pem, token: reading, writing } = makeSourceToken();

const nightjar = (...args: string[]) => product.nightjar(...args);
const inDir = (name: string) => join(product.dir, name);
let servers = 0;
const emptyServer = (...args: string[]) => product.sqld(`target-${++servers}`, args);

/** Run a command with --json and return its parsed output. */
async function json(...args: string[]): Promise<any> {
  const { code, out, err } = await nightjar(...args, "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out);
}

/** Compare the shop with another server's database, by way of the latter's dump. */
async function serverDiffers(url: string) {
  const dump = await (await fetch(`${url}/dump?preserve_row_ids=true`)).text();
  const copy = loaded(dump);
  try {
    return (await differences(shop.url, copy)).differing;
  } finally {
    copy.close();
  }
}

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = createClient({ url });
  try {
    return (await client.execute(sql)).rows.map((row) => row[0]);
  } finally {
    client.close();
  }
}

beforeAll(async () => {
  product = await Product.create();
  shop = await product.sqld("shop");
  spare = await product.sqld("spare");
  await loadShop(shop.url, 0.25);
  await product.start({
    shop: { url: shop.url },
    dumped: { url: shop.url, capture: "dump" },
    spare: { url: spare.url },
  });
  for (const db of ["shop", "dumped"]) expect((await nightjar("backup", db)).code).toBe(0);
  await product.timeline("shop");
});

afterAll(() => product.stop());

describe("to a file", () => {
  it.each(["shop", "dumped"])("%s comes back whole, and checked", async (db) => {
    const file = inDir(`${db}-whole.db`);
    const done = await json("restore", db, "--to", file, "--verify");
    expect(done).toMatchObject({ file, integrity: "ok", movedAside: null });
    expect(done.rows).toBeGreaterThan(10_000);
    const copy = new DatabaseSync(file);
    expect((await differences(shop.url, copy)).differing).toEqual([]);
    expect(copy.prepare("PRAGMA user_version").get()).toEqual({ user_version: 7 });
    copy.close();
  });

  it("comes back as it was at a moment", async () => {
    const { window } = await json("timeline", "shop");
    const done = await json("restore", "shop", "--at", window.to, "--to", "moment.db", "--verify");
    expect(done).toMatchObject({ integrity: "ok", file: inDir("moment.db") });
    const copy = new DatabaseSync(inDir("moment.db"));
    expect((await differences(shop.url, copy)).differing).toEqual([]);
    copy.close();
  });

  it.each(["shop", "dumped"])("gives some tables of %s, their schema or their rows", async (db) => {
    const file = inDir(`${db}-part.db`);
    const tables = ["--tables", "Reviews,photos"];
    await json("restore", db, "--to", file, ...tables, "--schema-only");
    const made = new DatabaseSync(file);
    const names = () =>
      made
        .prepare("SELECT name FROM sqlite_schema WHERE sql NOT NULL ORDER BY 1")
        .all()
        .map(({ name }) => name);
    expect(names()).toEqual(["photos", "reviews", "reviews_by_sku", "sqlite_sequence"]);
    expect(made.prepare("SELECT count(*) AS n FROM reviews").get()).toEqual({ n: 0 });
    made.close();
    await json("restore", db, "--to", file, ...tables, "--data-only", "--verify");
    const filled = new DatabaseSync(file);
    const { differing } = await differences(shop.url, filled);
    const others = ["customers", "orders", "order_items", "products", "sqlite_schema"];
    expect(differing.map(({ table }) => table).filter((name) => !others.includes(name))).toEqual(
      [],
    );
    filled.close();
    const again = await nightjar("restore", db, "--to", file, ...tables, "--data-only");
    expect(again).toMatchObject({ code: 3 });
    expect(again.err).toContain("has rows");
  });

  it("never writes over a file unless told, and then moves it aside", async () => {
    const file = inDir("mine.db");
    await writeFile(file, "mine");
    const refused = await nightjar("restore", "shop", "--to", file);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("--overwrite");
    const { movedAside } = await json("restore", "shop", "--to", file, "--overwrite", "--yes");
    expect(existsSync(movedAside)).toBe(true);
    await copyFile(movedAside, `${file}-wal`);
    const open = await nightjar("restore", "shop", "--to", file, "--overwrite", "--yes");
    expect(open.code).toBe(2);
    expect(open.err).toContain("in use, or was not closed");
  });

  it("leaves nothing behind when it cannot", async () => {
    const before = readdirSync(product.dir);
    for (const db of ["shop", "dumped"]) {
      const { code, err } = await nightjar("restore", db, "--to", "x.db", "--tables", "absent");
      expect({ code, err }).toMatchObject({ code: 3 });
      expect(err).toContain("There is no table absent");
    }
    const plan = await json("restore", "shop", "--to", "x.db", "--dry-run");
    expect(plan).toMatchObject({ movesAside: null, kind: "snapshot" });
    expect(plan.loss.words).toMatch(/^What was written to shop after .* is not in it: /);
    expect(readdirSync(product.dir)).toEqual(before);
  });
});

describe("to a server", () => {
  it("by pages, compared", async () => {
    const target = await emptyServer();
    const done = await nightjar("restore", "shop", "--to", target.url, "--verify");
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toMatch(
      /by pages, in .* s\. Compared: \d+ rows of \d+ tables are the same, by hash\./,
    );
    expect(await serverDiffers(target.url)).toEqual([]);
    expect(await ask(target.url, "PRAGMA integrity_check")).toEqual(["ok"]);
    const again = await nightjar("restore", "shop", "--to", target.url);
    expect(again.code).toBe(3);
    expect(again.err).toContain("The target is not empty: it has table customers");
  });

  it.each(["shop", "dumped"])("by statements, from %s", async (db) => {
    const target = await emptyServer();
    const options = ["--way", "statements", "--verify"];
    const done = await json("restore", db, "--to", target.url, ...options);
    expect(done).toMatchObject({ way: "statements", verified: { hashed: db === "shop" } });
    expect(await serverDiffers(target.url)).toEqual([]);
    expect(await ask(target.url, "PRAGMA user_version")).toEqual([7]);
  });

  it("as it was at a moment, some tables, schema only and data only", async () => {
    const { window } = await json("timeline", "shop");
    const whole = await emptyServer();
    await json("restore", "shop", "--at", window.to, "--to", whole.url, "--verify");
    expect(await serverDiffers(whole.url)).toEqual([]);

    for (const db of ["shop", "dumped"]) {
      const target = await emptyServer();
      const to = ["restore", db, "--to", target.url, "--tables", "photos,Reviews", "--verify"];
      await json(...to, "--schema-only");
      const names = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY 1";
      expect(await ask(target.url, names)).toEqual(["photos", "reviews", "reviews_by_sku"]);
      expect(await ask(target.url, "SELECT count(*) FROM photos")).toEqual([0]);
      expect(await json(...to, "--data-only")).toMatchObject({ tables: 2 });
      expect(await ask(target.url, "SELECT count(*) FROM photos")).toEqual([300]);
      expect(await ask(target.url, "SELECT seq FROM sqlite_sequence")).toEqual([300]);
      expect((await nightjar(...to, "--data-only")).err).toContain(
        "Tables of the target have rows",
      );
    }
  });

  it("says what it would do, and does not", async () => {
    const target = await emptyServer();
    const { code, out } = await nightjar("restore", "shop", "--to", target.url, "--dry-run");
    expect(code).toBe(0);
    expect(out).toContain("which is empty, by pages (the target takes pages).");
    expect(out).toMatch(/^ {2}customers: 1500 rows$/m);
    expect(out).toMatch(/is not in it: .* until now\./);
    expect(await ask(target.url, "SELECT count(*) FROM sqlite_schema")).toEqual([0]);
    const plan = await json("restore", "shop", "--to-database", "shop", "--overwrite", "--dry-run");
    expect(plan).toMatchObject({ saves: true, target: { state: "in use", database: "shop" } });
    expect(plan.drops).toContain("trigger take_from_stock");
  });

  it("wants a token that may write, and never tells it", async () => {
    const key = inDir("key.pem");
    await writeFile(key, pem);
    const target = await emptyServer("--auth-jwt-key-file", key);
    const to = ["restore", "shop", "--to", target.url, "--token-env", "TARGET_TOKEN", "--verify"];
    const env = { NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: TOKEN };
    const without = await runCli(to, product.dir, env);
    expect(without).toMatchObject({ code: 2 });
    expect(without.err).toContain("The variable TARGET_TOKEN is not set.");
    const read = await runCli(to, product.dir, { ...env, TARGET_TOKEN: reading });
    expect(read.code).not.toBe(0);
    expect(read.err).not.toContain(reading);
    const wrong = await runCli(to, product.dir, { ...env, TARGET_TOKEN: "not-a-token-at-all" });
    expect(wrong.code).toBe(3);
    expect(wrong.out + wrong.err).not.toContain("not-a-token-at-all");
    const right = await runCli(to, product.dir, { ...env, TARGET_TOKEN: writing });
    expect(right).toMatchObject({ code: 0 });
    expect(product.worker.output()).not.toContain(writing);
    expect(product.worker.output()).not.toContain(reading);
  });

  it.each([
    ["shop --to http://127.0.0.1:1", 3, "No connection"],
    ["shop --to-database nothing", 3, "No database nothing is configured."],
    ["shop --to-database shop", 3, "The target is shop itself"],
    ["shop --to http://u:p@127.0.0.1:1", 3, "must hold no credentials"],
    ["shop --to http://127.0.0.1:1 --overwrite", 3, "never overwritten"],
    ["shop", 2, "Give one of --to, --to-database and --to-turso."],
    ["shop --to a.db --namespace x", 2, "--namespace is for --to <address> only."],
    ["shop --to a.db --schema-only --data-only", 2, "exclude each other"],
    ["shop --to-turso new", 2, "TURSO_PLATFORM_TOKEN is not set"],
    ["shop --to a.db --at today", 3, "must be a moment in ISO 8601"],
  ])("restore %s ends with %i: %s", async (line, exit, message) => {
    const { code, out, err } = await nightjar("restore", ...line.split(" "));
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: exit, out: "" });
  });

  it("names an address that is a configured database's own source", async () => {
    const { code, err } = await nightjar("restore", "shop", "--to", shop.url);
    expect(code).toBe(3);
    expect(err).toContain("The target is shop itself");
  });
});

describe("over a configured database", () => {
  it("backs it up first, and then has what was restored", async () => {
    await createClient({ url: spare.url }).executeMultiple(
      "CREATE TABLE precious(a); INSERT INTO precious VALUES (1), (2); CREATE VIEW v AS SELECT * FROM precious",
    );
    const refused = await nightjar("restore", "shop", "--to-database", "spare");
    expect(refused.code).toBe(3);
    expect(refused.err).toContain("it has table precious, view v");
    const to = ["restore", "shop", "--to-database", "spare", "--overwrite", "--yes", "--verify"];
    const done = await json(...to);
    expect(await serverDiffers(spare.url)).toEqual([]);
    await json("restore", "spare", "--backup", done.saved, "--to", "precious.db");
    const saved = new DatabaseSync(inDir("precious.db"));
    expect(saved.prepare("SELECT count(*) AS n FROM v").get()).toEqual({ n: 2 });
    saved.close();
  });
});

describe("a target that is killed half-way", () => {
  it.each(["pages", "statements"])(
    "by %s is reported, and repaired by the same command",
    async (way) => {
      const target = await startKillable(inDir(`killed-${way}`));
      product.stopAtEnd(() => target.stop());
      const to = ["restore", "shop", "--to", target.url, "--way", way, "--verify"];
      target.dieAt(5);
      const { code, out, err } = await nightjar(...to, "--json");
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(JSON.parse(err)).toMatchObject({
        error: {
          code: "RESTORE_INCOMPLETE",
          message: expect.stringContaining("the target is marked incomplete") as string,
          hint: expect.stringContaining("Run the same restore again") as string,
        },
      });
      await target.revive();
      expect(await ask(target.url, "SELECT what FROM _nightjar_restore")).toEqual([
        expect.stringMatching(/^backup \w+ of shop$/),
      ]);
      const plan = await json(...to, "--dry-run");
      expect(plan).toMatchObject({ target: { state: "incomplete" } });
      await json(...to);
      expect(await serverDiffers(target.url)).toEqual([]);
      expect(await ask(target.url, "PRAGMA integrity_check")).toEqual(["ok"]);
    },
  );
});

// Against a stand-in: not yet tried against the real service. At once, as each waits for its next try.
describe.concurrent("to a new Turso database", () => {
  const PLATFORM = "platform-token-of-the-tests";

  /** Start a stand-in, and return it with the command that restores to it. */
  async function standIn() {
    const turso = await startTursoStandIn(PLATFORM, 400_000);
    product.stopAtEnd(() => turso.stop());
    const env = {
      NIGHTJAR_URL: product.worker.url,
      NIGHTJAR_TOKEN: TOKEN,
      TURSO_PLATFORM_TOKEN: PLATFORM,
      TURSO_API_BASEURL: turso.url,
    };
    const restore = (name: string, ...more: string[]) =>
      runCli(["restore", "shop", "--to-turso", name, "--org", "acme", ...more], product.dir, env);
    return { turso, env, restore };
  }

  it("uploads the file in chunks, each again where that fails for a moment", async () => {
    const { turso, restore } = await standIn();
    turso.faults.push({ match: /chunk\/2$/, status: 503, times: 2 });
    turso.faults.push({ match: /finalize$/, status: 429, times: 1 });
    const { code, out, err } = await restore("new", "--group", "eu", "--json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(out)).toMatchObject({ name: "new", url: turso.url });
    expect(turso.created[0]?.body).toEqual({
      name: "new",
      group: "eu",
      seed: { type: "database_upload" },
    });
    expect(turso.requests.filter((line) => line.includes("chunk/2"))).toHaveLength(3);
    const copy = await product.open(turso.files.get("new")!);
    expect((await differences(shop.url, copy)).differing).toEqual([]);
    copy.close();
  });

  it("of a moment too", async () => {
    const { turso, restore } = await standIn();
    const { window } = await json("timeline", "shop");
    expect((await restore("new")).code).toBe(0);
    expect((await restore("moment", "--at", window.to)).code).toBe(0);
    expect(turso.files.get("moment")).toEqual(turso.files.get("new"));
  });

  it("says that the new database is incomplete when it dies half-way", async () => {
    const { turso, restore } = await standIn();
    turso.faults.push({ match: /chunk\/3$/, status: 500, times: Infinity });
    const { code, out, err } = await restore("broken", "--json");
    turso.faults.pop();
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(JSON.parse(err)).toMatchObject({
      error: {
        code: "RESTORE_INCOMPLETE",
        message: expect.stringContaining("the new database broken is incomplete") as string,
        hint: expect.stringContaining("turso db destroy broken") as string,
      },
    });
    expect(err).not.toContain("jwt-broken");
    expect(turso.files.has("broken")).toBe(false);
    const again = await restore("broken");
    expect(again.code).toBe(3);
    expect(again.err).toContain("There is a database of this name");
    expect(again.err).not.toContain(PLATFORM);
  });

  it("makes nothing for a dry run, a dump, or a part", async () => {
    const { turso, env, restore } = await standIn();
    expect((await restore("dry", "--dry-run")).out).toContain(
      "Would make the database dry in acme",
    );
    expect((await restore("part", "--tables", "photos")).code).toBe(2);
    const dumped = ["restore", "dumped", "--to-turso", "x", "--org", "acme"];
    expect((await runCli(dumped, product.dir, env)).code).toBe(3);
    expect(turso.requests).toEqual([]);
  });
});
