import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client/http";
import { Validator as OpenApiValidator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fireCron, startWorker } from "../../../scripts/lib/local-worker.ts";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import { freePort, type ServerProcess } from "../../../scripts/lib/server-process.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { differences, loaded, Product, SIGNING_KEY, TOKEN } from "../../support/product.ts";
import { makeSourceToken } from "../../support/source-token.ts";

/** Backups from outside: real servers with and without tokens and namespaces, by pages and by dumps. */
let product: Product;
let shop: ServerProcess;
let sourceTokens: string[];

const HARD = [
  "CREATE TABLE hard (id INTEGER PRIMARY KEY, value)",
  "INSERT INTO hard VALUES (1, 1e999), (2, 'a' || char(0) || 'b'), (3, 2.0), (4, x'00ff'), (-5, NULL)",
];

/** Fill a database behind a token or a namespace with what dumps lose. */
async function fill(url: string, how: { token?: string; namespace?: string }): Promise<Client> {
  const namespace = Buffer.from(how.namespace ?? "default")
    .toString("base64")
    .replace(/=+$/, "");
  const client = createClient({
    url,
    ...(how.token === undefined ? {} : { authToken: how.token }),
    fetch: (async (request: Request) => {
      const headers = new Headers(request.headers);
      headers.set("x-namespace-bin", namespace);
      return fetch(request.url, { method: "POST", headers, body: await request.text() });
    }) as typeof fetch,
  });
  await client.batch(HARD, "write");
  return client;
}

beforeAll(async () => {
  product = await Product.create();
  shop = await product.sqld("shop");
  await loadShop(shop.url);

  const { pem, token, writing } = makeSourceToken();
  sourceTokens = [token, writing];
  const keyFile = join(product.dir, "jwt.pem");
  await writeFile(keyFile, pem);
  const locked = await product.sqld("locked", ["--auth-jwt-key-file", keyFile]);
  (await fill(locked.url, { token: writing })).close();

  const admin = `127.0.0.1:${await freePort()}`;
  const spaces = await product.sqld("spaces", [
    "--enable-namespaces",
    "--admin-listen-addr",
    admin,
  ]);
  const created = await fetch(`http://${admin}/v1/namespaces/acme/create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  if (!created.ok) throw new Error(`no namespace: ${await created.text()}`);
  (await fill(spaces.url, { namespace: "acme" })).close();

  const proxy = await startFaultProxy(shop.url);
  product.stopAtEnd(() => proxy.stop());
  const databases = {
    shop: { url: shop.url, badge: "public" },
    dumped: { url: shop.url, capture: "dump" },
    locked: { url: locked.url, token: "LOCKED_TOKEN" },
    refused: { url: locked.url },
    acme: { url: spaces.url, namespace: "acme" },
    nowhere: { url: spaces.url, namespace: "nobody" },
    broken: { url: `${proxy.url}/cut/100000`, capture: "dump", attempts: 2 },
  };
  await product.start(databases, { LOCKED_TOKEN: token });
});

afterAll(() => product.stop());

it("describes its API as OpenAPI 3.1 has it", async () => {
  const document = (await (await fetch(`${product.worker.url}/openapi.json`)).json()) as Record<
    string,
    unknown
  >;
  const { valid, errors } = await new OpenApiValidator().validate(document);
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  expect(document).toMatchObject({ openapi: "3.1.0", servers: [{ url: product.worker.url }] });
});

describe("the nightly backup", () => {
  it("is made by the cron, once for a moment, and its file and its SQL equal the source", async () => {
    await Promise.all([product.fireCron(), product.fireCron()]);
    await product.fireCron();
    const run = await product.ended("shop");
    expect(run).toMatchObject({ state: "done", trigger: "cron", tier: "monthly" });
    const backups = await product.backups("shop");
    expect(backups).toHaveLength(1);
    expect(backups[0]).toMatchObject({
      kind: "snapshot",
      formats: [
        "db.zst",
        "db",
        ...["sql.gz", "sql", "sql.zst"],
        ...["libsql.sql.gz", "libsql.sql", "libsql.sql.zst"],
        ...["ndjson", "ndjson.gz", "json", "json.gz", "csv", "csv.gz", "parquet"],
      ],
    });

    const file = await product.open(await product.download("shop", "db"));
    const sql = loaded((await product.download("shop", "sql")).toString());
    for (const copy of [file, sql]) {
      const { differing, rows } = await differences(shop.url, copy);
      expect(differing).toEqual([]);
      expect(rows).toBeGreaterThan(50_000);
    }
    expect(file.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  });

  it("is the server's dump where that is configured", async () => {
    expect(await product.ended("dumped")).toMatchObject({ state: "done" });
    const [backup] = await product.backups("dumped");
    expect(backup).toMatchObject({ kind: "dump", formats: ["sql.zst", "sql.gz", "sql"] });
    const sql = await product.download("dumped", "sql");
    const dump = await (await fetch(`${shop.url}/dump?preserve_row_ids=true`)).text();
    expect(Buffer.compare(sql, Buffer.from(dump))).toBe(0);
    expect((await differences(shop.url, loaded(sql.toString()))).differing).toEqual([]);
  });

  it.each(["locked", "acme"])("reaches %s by pages, and holds what dumps lose", async (db) => {
    expect(await product.ended(db)).toMatchObject({ state: "done" });
    expect((await product.backups(db))[0]).toMatchObject({ kind: "snapshot", rows: 5 });
    const query = "SELECT id, typeof(value) AS type, hex(value) AS bytes FROM hard ORDER BY id";
    const expected = [
      { id: -5, type: "null", bytes: "" },
      { id: 1, type: "real", bytes: "496E66" },
      { id: 2, type: "text", bytes: "610062" },
      { id: 3, type: "real", bytes: "322E30" },
      { id: 4, type: "blob", bytes: "00FF" },
    ];
    const copies = [
      await product.open(await product.download(db, "db")),
      loaded((await product.download(db, "sql")).toString()),
    ];
    for (const copy of copies) expect(copy.prepare(query).all()).toEqual(expected);
  });

  it("says which servers it cannot reach", async () => {
    const unauthorized = { state: "failed", attempt: 1, error: { code: "SOURCE_UNAUTHORIZED" } };
    expect(await product.ended("refused")).toMatchObject(unauthorized);
    const notFound = { state: "failed", attempt: 1, error: { code: "SOURCE_NOT_FOUND" } };
    expect(await product.ended("nowhere")).toMatchObject(notFound);
  });

  it("fails, visibly, when its dump is cut; nothing is listed", async () => {
    expect(await product.ended("broken")).toMatchObject({
      state: "failed",
      attempt: 2,
      error: { code: "SOURCE_CUT", hint: expect.any(String) },
    });
    expect(await product.backups("broken")).toEqual([]);
    expect(product.worker.output()).toContain('"code":"SOURCE_CUT"');
  });
});

describe("consistency", () => {
  it("is one transaction's state while a writer runs, by pages and by dumps", async () => {
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
    const sum = "SELECT sum(money) AS money FROM accounts";
    try {
      for (let count = 0; count < 3; count++) {
        expect((await product.nightjar("backup", "shop")).code).toBe(0);
        const copy = await product.open(await product.download("shop", "db"));
        expect(copy.prepare(sum).get()).toEqual({ money: 20_000 });
        expect(copy.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
      }
      for (let count = 0; count < 2; count++) {
        expect((await product.nightjar("backup", "dumped")).code).toBe(0);
        const copy = loaded((await product.download("dumped", "sql")).toString());
        expect(copy.prepare(sum).get()).toEqual({ money: 20_000 });
      }
    } finally {
      writing = false;
      await writer;
      db.close();
    }
    // Each backup pulled only what was new into the log.
    const { changes } = await product.timeline("shop");
    expect(changes.filter(({ whole }) => whole)).toHaveLength(1);
    expect(changes.length).toBeGreaterThanOrEqual(4);
    for (const { pages } of changes.slice(0, -1)) expect(pages).toBeLessThan(100);
  });
});

describe("secrets", () => {
  it("are in no log and no answer", async () => {
    const paths = ["/v1/databases", "/v1/databases/locked/backups", "/v1/databases/refused"];
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answers = await Promise.all(
      [...paths, "/v1/databases/locked/timeline"].map(async (path) =>
        (await fetch(product.worker.url + path, { headers })).text(),
      ),
    );
    const seen = product.worker.output() + answers.join("\n");
    for (const secret of [TOKEN, SIGNING_KEY, ...sourceTokens]) expect(seen).not.toContain(secret);
  });
});

describe("a refused configuration", () => {
  it("answers everything with an error, and tells the admin and the log where it is", async () => {
    const DATABASES = JSON.stringify([{ url: shop.url }]);
    const refusing = await startWorker({
      port: await freePort(),
      persistTo: join(product.dir, "refusing"),
      vars: { DATABASES, ADMIN_TOKEN: TOKEN, SIGNING_KEY },
    });
    try {
      const path = "DATABASES: must be a table of databases";
      const asAdmin = await fetch(`${refusing.url}/v1/databases`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      expect(asAdmin.status).toBe(500);
      expect(await asAdmin.text()).toContain(path);
      const asAnybody = await fetch(`${refusing.url}/badge/shop.svg`);
      expect(asAnybody.status).toBe(500);
      expect(await asAnybody.text()).not.toContain("must be a table");
      expect(refusing.output()).toContain(path);
      await expect(fireCron(refusing.url)).rejects.toThrow("The cron failed");
    } finally {
      await refusing.stop();
    }
  });
});
