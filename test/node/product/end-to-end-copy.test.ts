import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { zstdDecompressSync } from "node:zlib";
import { AwsClient } from "aws4fetch";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fireCron, startWorker } from "../../../scripts/lib/local-worker.ts";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import { freePort, type ServerProcess } from "../../../scripts/lib/server-process.ts";
import { type SecondServer, startSecondServer } from "../../support/second-server.ts";
import { differences, loaded, Product, SIGNING_KEY, TOKEN } from "../../support/product.ts";

/**
 * Second copies from outside: the whole product, and another store behind an S3 endpoint that checks
 * signatures. The copies there restore without Nightjar.
 */
let product: Product;
let shop: ServerProcess;
let secondStore: SecondServer;

beforeAll(async () => {
  product = await Product.create();
  shop = await product.sqld("shop");
  await loadShop(shop.url);
  secondStore = await startSecondServer(await mkdtemp(join(product.dir, "second-")));
  product.stopAtEnd(() => secondStore.stop());
  await product.start(
    { shop: { url: shop.url }, dumped: { url: shop.url, capture: "dump" } },
    variables(secondStore.keys.secretAccessKey),
  );
});
afterAll(() => product.stop());

function variables(secret: string) {
  const COPY = JSON.stringify({
    endpoint: secondStore.endpoint,
    accessKeyId: "COPY_KEY_ID",
    secretAccessKey: "COPY_KEY",
  });
  return { COPY, COPY_KEY_ID: secondStore.keys.accessKeyId, COPY_KEY: secret };
}

/** Wait until the newest backup of a database has tried its second copy, and return it. */
async function copied(db: string) {
  for (;;) {
    const [newest] = await product.backups(db);
    if (newest?.copy != null && newest.copy.state !== "copying") return newest;
    await sleep(100);
  }
}

/** Read an object of the second store with a client that is not Nightjar's. */
async function fromSecondStore(key: string): Promise<Buffer> {
  const client = new AwsClient({ ...secondStore.keys, service: "s3", region: "auto" });
  const answer = await client.fetch(`${secondStore.endpoint}/${key}`);
  expect(answer.status, key).toBe(200);
  return Buffer.from(await answer.arrayBuffer());
}

describe("a second copy", () => {
  it("is made by the run, and restores with plain zstd and SQLite", async () => {
    await product.fireCron();
    const snapshot = await copied("shop");
    expect(snapshot.copy).toEqual({
      ...{ state: "copied", at: expect.any(String), to: `${secondStore.endpoint}/`, error: null },
    });
    const database = await product.open(zstdDecompressSync(await fromSecondStore(snapshot.key)));
    expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    expect((await differences(shop.url, database)).differing).toEqual([]);
    expect(JSON.parse((await fromSecondStore(snapshot.manifestKey)).toString())).toMatchObject({
      id: snapshot.id,
      stored: snapshot.stored,
    });

    const dump = await copied("dumped");
    const sql = zstdDecompressSync(await fromSecondStore(dump.key)).toString();
    expect((await differences(shop.url, loaded(sql))).differing).toEqual([]);
  });

  it("is asked for and shown by the command line", async () => {
    const one = await product.nightjar("copy", "shop");
    expect(one).toMatchObject({ code: 0, out: expect.stringContaining("was read back") });
    expect((await product.nightjar("backup", "shop")).code).toBe(0);
    const all = await product.nightjar("copy", "shop", "--all");
    expect(all).toMatchObject({ code: 0, out: expect.stringContaining("2 of 2 backups") });
    const json = JSON.parse((await product.nightjar("copy", "dumped", "--json")).out) as object;
    expect(json).toMatchObject({ state: "copied", error: null });
    expect((await product.nightjar("list", "shop")).out).toMatch(/copied/);
    expect((await product.nightjar("status")).out).toMatch(/copy.*\n.*copied/);
    const both = await product.nightjar("copy", "shop", "--all", "--backup", "x");
    expect(both).toMatchObject({ code: 2 });
  });

  it("is kept complete by the night's cron, which copies the proofs too", async () => {
    await fireCron(product.worker.url, "15 4 * * *");
    const { manifestKey } = await copied("dumped");
    const client = new AwsClient({ ...secondStore.keys, service: "s3", region: "auto" });
    const prefix = manifestKey.replace(/json$/, "proof-");
    const list = await client.fetch(
      `${secondStore.endpoint}?list-type=2&prefix=${encodeURIComponent(prefix)}`,
    );
    expect(await list.text()).toContain(`<Key>${prefix}`);
  });
});

describe("a store that does not let Nightjar in, or is away", () => {
  it("leaves the backup good, tells which secret to fix, and shows none", async () => {
    const secret = "wrong-secret-for-the-copy";
    await product.worker.stop();
    const DATABASES = JSON.stringify({ shop: { url: shop.url } });
    product.worker = await startWorker({
      port: await freePort(),
      persistTo: product.persistTo,
      vars: { DATABASES, ADMIN_TOKEN: TOKEN, SIGNING_KEY, ...variables(secret) },
    });
    const backedUp = await product.nightjar("backup", "shop", "--json");
    expect(backedUp.code).toBe(0);
    const { copy } = await copied("shop");
    expect(copy).toMatchObject({ state: "failed", error: { code: "COPY_REFUSED" } });
    expect(copy!.error!.hint).toContain("npx wrangler secret put COPY_KEY");

    const asked = await product.nightjar("copy", "shop");
    expect(asked).toMatchObject({ code: 1, err: expect.stringContaining("secret put COPY_KEY") });
    const status = await product.nightjar("status");
    expect(status.out).toContain("newest backup not copied");

    await secondStore.stop();
    const away = await product.nightjar("copy", "shop", "--json");
    expect(away.code).toBe(1);
    expect(JSON.parse(away.out)).toMatchObject({ error: { code: "COPY_UNREACHABLE" } });
    const told = [product.worker.output(), status.out, asked.err, away.err, JSON.stringify(copy)];
    for (const hidden of [secret, secondStore.keys.accessKeyId, secondStore.keys.secretAccessKey])
      expect(told.join("\n")).not.toContain(hidden);
  });
});
