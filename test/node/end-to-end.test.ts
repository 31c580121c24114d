import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { zstdDecompressSync } from "node:zlib";
import { createClient } from "@libsql/client/http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiClient, bodyOf } from "../../src/cli/client.ts";
import { compareDatabases } from "../../scripts/lib/compare.ts";
import { fireCron, migrateLocally, startWorker } from "../../scripts/lib/local-worker.ts";
import { loadShop } from "../../scripts/lib/sample-shop.ts";
import { freePort, type ServerProcess } from "../../scripts/lib/server-process.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { runCli } from "../support/run-cli.ts";
import { makeSourceToken } from "../support/source-token.ts";

/**
 * The product as its users have it: `wrangler dev` with its Workflow, real libSQL servers with and
 * without tokens and namespaces, HTTP from outside, and the command line in a process of its own.
 */
const TOKEN = "end-to-end-admin-token";
const SIGNING_KEY = "end-to-end-signing-key";

let dir: string;
let shop: ServerProcess;
let worker: ServerProcess;
let sourceToken: string;
const stops: (() => Promise<void>)[] = [];

async function server(name: string, args: string[] = []): Promise<ServerProcess> {
  const started = await startSqld(join(dir, name), args);
  stops.push(() => started.stop());
  return started;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nightjar-e2e-"));
  shop = await server("shop");
  await loadShop(shop.url);

  const { pem, token } = makeSourceToken();
  sourceToken = token;
  await writeFile(join(dir, "jwt.pem"), pem);
  const locked = await server("locked", ["--auth-jwt-key-file", join(dir, "jwt.pem")]);

  const adminPort = await freePort();
  const admin = `127.0.0.1:${adminPort}`;
  const spaces = await server("spaces", ["--enable-namespaces", "--admin-listen-addr", admin]);
  const created = await fetch(`http://${admin}/v1/namespaces/acme/create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  if (!created.ok) throw new Error(`no namespace: ${await created.text()}`);

  const proxy = await startFaultProxy(shop.url);
  stops.push(() => proxy.stop());
  const persistTo = join(dir, "cloudflare");
  await migrateLocally(persistTo);
  const DATABASES = JSON.stringify({
    shop: { url: shop.url, badge: "public" },
    locked: { url: locked.url, token: "LOCKED_TOKEN" },
    refused: { url: locked.url },
    acme: { url: spaces.url, namespace: "acme" },
    nowhere: { url: spaces.url, namespace: "nobody" },
    broken: { url: `${proxy.url}/cut/100000`, attempts: 2 },
  });
  const vars = { DATABASES, ADMIN_TOKEN: TOKEN, SIGNING_KEY, LOCKED_TOKEN: token };
  worker = await startWorker({ port: await freePort(), persistTo, vars });
  stops.push(() => worker.stop());
});

afterAll(async () => {
  for (const stop of stops.toReversed()) await stop();
  await rm(dir, { recursive: true, force: true });
});

const client = () => apiClient({ url: worker.url, token: TOKEN });

async function ended(db: string) {
  for (;;) {
    const { lastRun } = await bodyOf(client().v1.databases[":db"].$get({ param: { db } }));
    if (lastRun !== null && lastRun.finishedAt !== null) return lastRun;
    await sleep(100);
  }
}

const nightjar = (...args: string[]) =>
  runCli(args, dir, { NIGHTJAR_URL: worker.url, NIGHTJAR_TOKEN: TOKEN });

describe("the nightly backup", () => {
  it("is made by the cron, once for a moment, and restores equal to its source", async () => {
    await Promise.all([fireCron(worker.url), fireCron(worker.url)]);
    await fireCron(worker.url);
    const run = await ended("shop");
    expect(run).toMatchObject({ state: "done", trigger: "cron", tier: "monthly" });
    const list = await bodyOf(
      client().v1.databases[":db"].backups.$get({ param: { db: "shop" }, query: { limit: "50" } }),
    );
    expect(list.backups).toHaveLength(1);

    const { out } = await nightjar("url", "shop", "--format", "sql");
    const sql = await (await fetch(out.trim())).text();
    const restored = new DatabaseSync(":memory:");
    restored.exec(sql);
    const comparisons = await compareDatabases(shop.url, restored);
    expect(comparisons.filter(({ difference }) => difference !== undefined)).toEqual([]);
    expect(comparisons.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThan(50_000);
  });

  it("reaches servers behind a token and in a namespace, and says which it cannot reach", async () => {
    expect(await ended("locked")).toMatchObject({ state: "done" });
    expect(await ended("acme")).toMatchObject({ state: "done" });
    expect(await ended("refused")).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { code: "SOURCE_UNAUTHORIZED" },
    });
    expect(await ended("nowhere")).toMatchObject({
      state: "failed",
      error: { code: "SOURCE_NOT_FOUND" },
    });
  });

  it("fails, visibly, when its upstream is cut; nothing is listed", async () => {
    expect(await ended("broken")).toMatchObject({
      state: "failed",
      attempt: 2,
      error: { code: "SOURCE_CUT", hint: expect.any(String) },
    });
    const list = await bodyOf(
      client().v1.databases[":db"].backups.$get({
        param: { db: "broken" },
        query: { limit: "50" },
      }),
    );
    expect(list.backups).toEqual([]);
    expect(worker.output()).toContain('"code":"SOURCE_CUT"');
  });

  it("breaks the connection of a download, for a real client, when stored bytes are bad", async () => {
    // The stored object is spoilt where the local R2 keeps it: on disk.
    const { out } = await nightjar("list", "shop", "--json");
    const { backups } = JSON.parse(out) as { backups: { stored: { bytes: number } }[] };
    const blobs = execFileSync("find", [
      join(dir, "cloudflare"),
      "-type",
      "f",
      "-size",
      `${backups[0]!.stored.bytes}c`,
    ]);
    const [blob] = blobs.toString().trim().split("\n");
    expect(existsSync(blob!)).toBe(true);
    const good = readFileSync(blob!);
    const bad = Buffer.from(good);
    bad[good.length >> 1]! ^= 1;
    await writeFile(blob!, bad);
    try {
      for (const format of ["sql", "sql.gz"]) {
        const { code, err } = await nightjar("download", "shop", "--format", format);
        expect(code, format).toBe(1);
        expect(err, format).toContain("The download broke off");
      }
      const raw = await nightjar("download", "shop", "--format", "sql.zst");
      expect(raw.code).toBe(1);
      expect(raw.err).toContain("not those of the backup");
      expect(readdirSync(dir).filter((name) => name.startsWith("shop-"))).toEqual([]);
    } finally {
      await writeFile(blob!, good);
    }
  });
});

describe("the command line", () => {
  it("backs up, lists and shows the status", async () => {
    const made = await nightjar("backup", "shop", "--name", "by-hand", "--label", "a=b");
    expect(made).toMatchObject({ code: 0 });
    expect(made.out).toMatch(/^Backup [0-9a-z]{12} of shop/);
    const list = await nightjar("list", "shop");
    expect(list.out).toContain("by-hand");
    const status = await nightjar("status");
    expect(status.out).toMatch(/shop +fresh/);
    expect(status.out).toMatch(/broken +failed/);
    expect(status.out).toContain("[SOURCE_CUT]");
    expect((await nightjar("status", "shop", "--json")).out).toContain('"state": "fresh"');
  });

  it("downloads every format, checked, and never over a file", async () => {
    const { out } = await nightjar(
      "download",
      "shop",
      "--format",
      "sql.zst",
      "-o",
      "a.sql.zst",
      "--json",
    );
    expect(JSON.parse(out)).toMatchObject({ file: join(dir, "a.sql.zst") });
    const sql = zstdDecompressSync(readFileSync(join(dir, "a.sql.zst"))).toString();
    expect((await nightjar("download", "shop", "--format", "sql", "-o", "a.sql")).code).toBe(0);
    expect(readFileSync(join(dir, "a.sql"), "utf8")).toBe(sql);
    expect((await nightjar("download", "shop", "-o", "a.sql")).err).toContain("is there already");
    expect((await nightjar("download", "shop", "-o", "a.sql", "--force")).code).toBe(0);
    expect(existsSync(join(dir, "a.sql.part"))).toBe(false);
  });

  it("gives each failure its exit code and says what to do", async () => {
    const failed = await nightjar("backup", "broken");
    expect(failed.code).toBe(1);
    expect(failed.err).toContain("The backup failed");
    expect((await nightjar("list", "nothing")).code).toBe(3);
    expect((await nightjar("prune", "--dry-run")).out).toMatch(/0 of \d+ backups would go/);
  });
});

describe("consistency", () => {
  it("is one transaction's state while a writer runs", async () => {
    const db = createClient({ url: shop.url });
    await db.executeMultiple(
      "CREATE TABLE accounts (id INTEGER PRIMARY KEY, money INTEGER NOT NULL); INSERT INTO accounts SELECT value, 100 FROM generate_series(1, 200);",
    );
    let writing = true;
    const writer = (async () => {
      for (let turn = 0; writing; turn++)
        await db.batch(
          [
            `UPDATE accounts SET money = money - 7 WHERE id = ${1 + (turn % 100)}`,
            `UPDATE accounts SET money = money + 7 WHERE id = ${200 - (turn % 100)}`,
          ],
          "write",
        );
    })();
    try {
      for (let count = 0; count < 5; count++) {
        expect((await nightjar("backup", "shop")).code).toBe(0);
        const { out } = await nightjar("url", "shop", "--format", "sql");
        const restored = new DatabaseSync(":memory:");
        restored.exec(await (await fetch(out.trim())).text());
        const { money } = restored.prepare("SELECT sum(money) AS money FROM accounts").get()!;
        expect(money).toBe(20_000);
      }
    } finally {
      writing = false;
      await writer;
      db.close();
    }
  });
});

describe("secrets", () => {
  it("are in no log and no answer", async () => {
    const answers = await Promise.all(
      ["/v1/databases", "/v1/databases/locked/backups", "/v1/databases/refused"].map(async (path) =>
        (await fetch(worker.url + path, { headers: { authorization: `Bearer ${TOKEN}` } })).text(),
      ),
    );
    const seen = worker.output() + answers.join("\n");
    for (const secret of [TOKEN, SIGNING_KEY, sourceToken]) expect(seen).not.toContain(secret);
  });
});

describe("a refused configuration", () => {
  it("answers everything with an error, and tells the admin and the log where it is", async () => {
    const vars = {
      DATABASES: JSON.stringify({ shop: { url: shop.url, shedule: "0 0 * * *" } }),
      ADMIN_TOKEN: TOKEN,
      SIGNING_KEY,
    };
    const refusing = await startWorker({
      port: await freePort(),
      persistTo: join(dir, "refusing"),
      vars,
    });
    try {
      const path = "DATABASES.shop.shedule: unknown key";
      const asAdmin = await fetch(`${refusing.url}/v1/databases`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      expect(asAdmin.status).toBe(500);
      expect(await asAdmin.text()).toContain(path);
      const asAnybody = await fetch(`${refusing.url}/badge/shop.svg`);
      expect(asAnybody.status).toBe(500);
      expect(await asAnybody.text()).not.toContain("shedule");
      expect(refusing.output()).toContain(path);
      await expect(fireCron(refusing.url)).rejects.toThrow("The cron failed");
    } finally {
      await refusing.stop();
    }
  });
});
