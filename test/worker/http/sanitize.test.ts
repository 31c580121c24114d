import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { listAudit } from "../../../src/catalog/access/audit.ts";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { needOf } from "../../../src/http/access/needs.ts";
import { app } from "../../../src/http/app.ts";
import { FORMATS, formatsOf } from "../../../src/plan/formats.ts";
import type { Scope } from "../../../src/plan/access.ts";
import type { Context } from "../../../src/worker/context.ts";
import { apiOf, askApp, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT);
  INSERT INTO users VALUES (1, 'ada@people.example', 'Ada Lovelace'), (2, 'bob@people.example', 'Bob Babbage');
  CREATE TABLE orders(id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT REFERENCES users(email), total REAL);
  INSERT INTO orders VALUES (10, 'ada@people.example', 12.5), (11, 'ada@people.example', 1.0);`;
const ORIGINALS = /people\.example|Lovelace|Babbage/;
const RULES = {
  users: { id: "keep", email: "fake: email", name: "fake: name" },
  ORDERS: { id: "keep", EMAIL: "fake: email", total: "keep" },
};
const KEYS = { SHOP_SANITIZE_KEY: "a-key-of-more-than-24-characters" };
const RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

let source: PageDatabase;
/** As it was before `required` was set, and as it is since. */
let before: Context;
let context: Context;
let admin: ReturnType<typeof apiOf>;
const ids: Record<string, string> = {};
let at: string;

const entries = (required: boolean, rules: object = RULES) => {
  const sanitize = { key: "SHOP_SANITIZE_KEY", required, rules };
  return {
    shop: { ...source.config, sanitize, checks: ["SELECT email FROM users"] },
    dumped: { ...source.config, capture: "dump", sanitize },
    sealed: { ...source.config, recipients: [RECIPIENT], sanitize },
    free: { ...source.config },
  };
};
const contextOf = (databases: Record<string, object>) => testContext(databases, { secrets: KEYS });

beforeAll(async () => {
  source = await PageDatabase.create(SCHEMA);
  before = contextOf(entries(false));
  for (const name of ["shop", "dumped", "sealed", "free"]) {
    await backUp(before, manualRun(name));
    ids[name] = (await newestBackup(before.catalog, name))!.id;
  }
  at = (await apiOf(before).json("/v1/databases/shop/timeline"))["window"].to;
  context = contextOf(entries(true));
  admin = apiOf(context);
});

async function tokenFor(...scopes: Scope[]): Promise<string> {
  return (await admin.json("/v1/tokens", { name: "test", scopes }))["token"] as string;
}

async function ask(path: string, body: object, token: string, inContext = context) {
  const answer = await askApp(
    new Request(ORIGIN + path, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    }),
    inContext,
  );
  const text = await answer.text();
  return { status: answer.status, text, code: /"code":"(\w+)"/.exec(text)?.[1] };
}

const open = (url: string, inContext = context, headers: HeadersInit = {}, method = "GET") =>
  askApp(new Request(url, { method, headers }), inContext);

/** What each route that gives content is asked, of a backup of each kind and of a moment. */
const target = { url: "http://127.0.0.1:9" };
const OF_BACKUPS = ["shop", "dumped", "sealed"];
const CONTENT: Record<string, () => [path: string, body: object][]> = {
  "POST /v1/backups/:id/links": () =>
    OF_BACKUPS.flatMap((name) =>
      FORMATS.map((format): [string, object] => [
        `/v1/backups/${ids[name]}/links`,
        { format, tables: format.startsWith("csv") ? ["users"] : undefined },
      ]),
    ),
  "POST /v1/backups/:id/query": () =>
    OF_BACKUPS.map((name) => [`/v1/backups/${ids[name]}/query`, { sql: "SELECT * FROM users" }]),
  "POST /v1/backups/:id/restore": () =>
    OF_BACKUPS.flatMap((name) =>
      [true, false].map((dryRun): [string, object] => [
        `/v1/backups/${ids[name]}/restore`,
        { target, dryRun },
      ]),
    ),
  "POST /v1/databases/:db/diff": () =>
    ["summary", "rows", "sql"].map((detail) => [
      "/v1/databases/shop/diff",
      { from: { backup: ids["shop"] }, to: { at }, detail },
    ]),
  "POST /v1/databases/:db/links": () =>
    FORMATS.map((format) => [
      "/v1/databases/shop/links",
      { at, format, tables: format.startsWith("csv") ? ["users"] : undefined },
    ]),
  "POST /v1/databases/:db/query": () => [
    ["/v1/databases/shop/query", { sql: "SELECT * FROM users" }],
    ["/v1/databases/shop/query", { at, sql: "SELECT * FROM users" }],
  ],
  "POST /v1/databases/:db/restore": () => [["/v1/databases/shop/restore", { at, target }]],
};
/** Routes of the same scopes that give no content. */
const OTHERS = [
  ...["GET /v1/links", "DELETE /v1/links/:id"],
  ...["POST /v1/approvals/:id/grant", "POST /v1/approvals/:id/deny"],
];

describe("with `required`", () => {
  it("every route of the scopes that give content is known here", () => {
    const routes = app.routes.flatMap(({ method, path, handler }) => {
      const scope = needOf(handler)?.scope;
      return scope === "download" || scope === "restore" ? [`${method} ${path}`] : [];
    });
    expect(routes.toSorted()).toEqual([...Object.keys(CONTENT), ...OTHERS].toSorted());
  });

  it.each(Object.keys(CONTENT))("%s refuses a token without download:raw", async (route) => {
    const token = await tokenFor("read", "backup", "download", "restore");
    for (const [path, body] of CONTENT[route]!()) {
      const refused = await ask(path, body, token);
      expect([refused.status, refused.code], JSON.stringify(body)).toEqual([
        ...[403, "SANITIZE_REQUIRED"],
      ]);
      expect(refused.text).toMatch(/--sanitize/);
      // Before it was required, and with another database, nothing is refused for it.
      expect((await ask(path, body, token, before)).code).not.toBe("SANITIZE_REQUIRED");
    }
  });

  it.each(Object.keys(CONTENT))("%s lets download:raw and ADMIN_TOKEN through", async (route) => {
    const raw = await tokenFor("download:raw", "restore");
    for (const [path, body] of CONTENT[route]!())
      for (const token of [raw, "test-admin-token-of-24-characters"]) {
        const { code } = await ask(path, body, token);
        expect(code, `${path} ${JSON.stringify(body)}`).not.toBe("SANITIZE_REQUIRED");
        expect(code).not.toBe("FORBIDDEN");
      }
  });

  it("a link of before gives nothing, in any format, whole, in part or by HEAD", async () => {
    const api = apiOf(before);
    for (const [name, encrypted] of [
      ["shop", false],
      ["dumped", false],
      ["sealed", true],
    ] as const)
      for (const format of formatsOf({
        kind: name === "dumped" ? "dump" : "snapshot",
        encrypted,
      })) {
        const tables = format.startsWith("csv") ? ["users"] : undefined;
        const { url } = await api.json(`/v1/backups/${ids[name]}/links`, { format, tables });
        for (const [headers, method] of [
          [{}, "GET"],
          [{ range: "bytes=0-99" }, "GET"],
          [{}, "HEAD"],
          [{ "if-none-match": "*" }, "GET"],
        ] as const)
          expect((await open(url, context, headers, method)).status, `${format} ${method}`).toBe(
            403,
          );
        const given = await open(url, before);
        expect(given.status, format).toBe(200);
        await given.arrayBuffer();
      }
    const moment = await api.json("/v1/databases/shop/links", { at, format: "db" });
    const refused = await open(moment["url"]);
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
      ...[403, "SANITIZE_REQUIRED"],
    ]);
    const [denied] = await listAudit(context.catalog, { action: "download" }, 1);
    expect(denied).toMatchObject({ outcome: "denied", database: "shop" });
  });

  it("a link that was made with download:raw gives the values, to whoever has it", async () => {
    const raw = await tokenFor("download:raw");
    for (const format of ["db", "db.zst", "sql", "ndjson"]) {
      const made = await ask(`/v1/backups/${ids["shop"]}/links`, { format }, raw);
      const answer = await open(JSON.parse(made.text).url);
      expect(answer.status).toBe(200);
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (format !== "db.zst") expect(bytes.toString("latin1")).toMatch(ORIGINALS);
    }
    const sealed = await ask(`/v1/backups/${ids["sealed"]}/links`, { format: "db.zst.age" }, raw);
    const opened = await open(JSON.parse(sealed.text).url);
    expect(opened.status).toBe(200);
    await opened.arrayBuffer();
    const { links } = await admin.json("/v1/links?limit=1");
    expect(links[0].choice).toEqual({ raw: true });
  });

  it("a proof does not tell what the queries of `checks` answered", async () => {
    const path = `/v1/backups/${ids["shop"]}`;
    expect(JSON.stringify(await admin.json(`${path}/drill`, {}, 200))).toMatch(ORIGINALS);
    expect(JSON.stringify(await admin.json(`${path}/proofs`))).toMatch(ORIGINALS);
    const token = await tokenFor("read", "backup", "download", "restore");
    const { status, text } = await ask(`${path}/drill`, {}, token);
    expect([status, text]).toEqual([200, expect.not.stringMatching(ORIGINALS)]);
    const headers = { authorization: `Bearer ${token}` };
    const proofs = await (await open(`${ORIGIN}${path}/proofs`, context, headers)).text();
    expect(proofs).toContain("SELECT email FROM users");
    expect(proofs).not.toMatch(ORIGINALS);
  });

  it("nobody can say of himself that he may", async () => {
    const token = await tokenFor("download");
    const body = { format: "ndjson", raw: true };
    expect(await ask(`/v1/backups/${ids["shop"]}/links`, body, token)).toMatchObject({
      ...{ status: 400, code: "REQUEST_INVALID" },
    });
  });

  it("holds for what is not configured any more, and where a mistake may hide it", async () => {
    const token = await tokenFor("download");
    const path = `/v1/backups/${ids["shop"]}/query`;
    const { shop, ...rest } = entries(true);
    const codeWith = async (databases: Record<string, object>) =>
      (await ask(path, { sql: "SELECT 1" }, token, contextOf(databases))).code;
    expect(await codeWith(rest)).toBe("SANITIZE_REQUIRED");
    expect(await codeWith({ free: source.config })).toBeUndefined();
    for (const wrong of [
      { ...source.config, sanitise: shop.sanitize },
      { ...source.config, sanitize: { ...shop.sanitize, required: "yes" } },
      { ...source.config, sanitize: { ...shop.sanitize, rules: { users: { id: "kept" } } } },
      { sanitize: shop.sanitize },
      "no table",
    ])
      expect(await codeWith({ shop: wrong as object }), JSON.stringify(wrong)).toBe(
        "SANITIZE_REQUIRED",
      );
    expect(await codeWith({ shop: { ...source.config, schedule: "never" } })).toBeUndefined();
  });
});

describe("a sanitized link", () => {
  const linkTo = async (terms: object, name = "shop", inContext = context) => {
    const token = await tokenFor("download");
    const body = { sanitize: true, ...terms };
    return ask(`/v1/backups/${ids[name]}/links`, body, token, inContext);
  };
  const textOf = async (terms: object, inContext = context) => {
    const { text, status } = await linkTo(terms, "shop", inContext);
    expect(status, text).toBe(201);
    const bytes = Buffer.from(await (await open(JSON.parse(text).url, inContext)).arrayBuffer());
    return { made: JSON.parse(text), text: bytes.toString(), bytes };
  };

  it.each(["sql", "libsql.sql", "ndjson", "json"])("gives masks as %s", async (format) => {
    const { text } = await textOf({ format });
    expect(text).not.toMatch(ORIGINALS);
    const emails = text.match(/[a-z]+\.[a-z]+@example\.com/g)!;
    expect(emails).toHaveLength(4);
    expect(new Set(emails).size).toBe(2);
    expect((await textOf({ format })).text).toBe(text);
  });

  it("gives masks as CSV and compressed, and of a moment", async () => {
    expect((await textOf({ format: "csv", tables: ["users"] })).text).not.toMatch(ORIGINALS);
    const { bytes } = await textOf({ format: "sql.gz" });
    expect(gunzipSync(bytes).toString()).not.toMatch(ORIGINALS);
    const token = await tokenFor("download");
    const body = { at, format: "ndjson", sanitize: true };
    const { text } = await ask("/v1/databases/shop/links", body, token);
    const moment = await (await open(JSON.parse(text).url)).text();
    expect(moment).toBe((await textOf({ format: "ndjson" })).text);
  });

  it("follows the rules and the key of now, with another tag", async () => {
    const { made, text } = await textOf({ format: "ndjson" });
    const changed = { ...RULES, users: { ...RULES.users, name: "null" } };
    const others = [
      contextOf(entries(true, changed)),
      testContext(entries(true), {
        secrets: { SHOP_SANITIZE_KEY: `another-${KEYS.SHOP_SANITIZE_KEY}` },
      }),
    ];
    const first = await open(made.url);
    const tag = first.headers.get("etag");
    await first.arrayBuffer();
    for (const other of others) {
      const answer = await open(made.url, other);
      expect(answer.headers.get("etag")).not.toBe(tag);
      const given = await answer.text();
      expect(given).not.toBe(text);
      expect(given).not.toMatch(ORIGINALS);
    }
    // A column that lost its rule since is refused, and not given.
    const { name, ...less } = RULES.users;
    const refused = await open(made.url, contextOf(entries(true, { ...RULES, users: less })));
    expect([refused.status, name]).toEqual([422, "fake: name"]);
  });

  it("gives the rows of a subset, with another tag, and tells how many", async () => {
    const inSubset = (subset: object) => {
      const entry = entries(true).shop;
      return contextOf({
        ...entries(true),
        shop: { ...entry, sanitize: { ...entry.sanitize, subset } },
      });
    };
    const of = (id: number, rows = 9) =>
      inSubset({
        ...{ root: `SELECT id FROM users WHERE id >= ${id}`, rows },
        references: { "orders.gone": "users.id" },
      });
    const whole = await textOf({ format: "ndjson" });
    expect(whole.made.subset).toBeNull();
    const bob = await textOf({ format: "ndjson" }, of(2));
    expect(bob.made.subset).toEqual([
      { name: "users", rows: 1 },
      { name: "orders", rows: 0 },
    ]);
    expect(bob.made.unusedRules).toEqual(["orders.gone = users.id"]);
    expect(bob.text.trim().split("\n")).toEqual([whole.text.split("\n")[1]]);
    expect((await textOf({ format: "csv", tables: ["orders"] }, of(2))).text).toBe(
      "id,email,total\r\n",
    );
    const ada = await textOf({ format: "sql", only: "data" }, of(1, 1));
    expect(ada.text.match(/@example\.com/g)).toHaveLength(3);
    const schema = await textOf({ format: "sql", only: "schema" }, of(2));
    expect([schema.made.subset, schema.text]).toEqual([
      null,
      (await textOf({ format: "sql", only: "schema" })).text,
    ]);
    const tagIn = async (other: Context) => {
      const answer = await open(whole.made.url, other);
      await answer.arrayBuffer();
      return answer.headers.get("etag");
    };
    const tags = await Promise.all([context, of(1), of(2), of(2, 1)].map(tagIn));
    expect(new Set(tags).size).toBe(4);
  });

  it("is refused for a subset that cannot be", async () => {
    const entry = entries(true).shop;
    const refused = async (root: string) => {
      const sanitize = { ...entry.sanitize, subset: { root } };
      const { status, text } = await linkTo(
        { format: "sql" },
        "shop",
        contextOf({ ...entries(true), shop: { ...entry, sanitize } }),
      );
      return [status, JSON.parse(text).code, JSON.parse(text).detail];
    };
    expect(await refused("SELECT name FROM users")).toEqual([
      ...[422, "SANITIZE_SUBSET", expect.stringContaining("users.name may come twice")],
    ]);
    expect(await refused("SELECT id FROM users WHERE gone")).toEqual([
      ...[422, "SANITIZE_SUBSET", expect.stringContaining("no such column: gone")],
    ]);
    expect((await refused("SELECT id FROM"))[1]).toBe("DATABASE_MISCONFIGURED");
  });

  it("tells of rules that are for nothing", async () => {
    const rules = { ...RULES, users: { ...RULES.users, gone: "null" }, old: "drop" };
    const { made } = await textOf({ format: "sql" }, contextOf(entries(true, rules)));
    expect(made.unusedRules).toEqual(["users.gone", "old"]);
    expect(
      (await admin.json(`/v1/backups/${ids["shop"]}/links`, {}, 201))["unusedRules"],
    ).toBeNull();
  });

  it.each([
    ["a file", { format: "db" }, "shop", "REQUEST_INVALID"],
    ["a file", { format: "db.zst" }, "shop", "REQUEST_INVALID"],
    ["a dump", { format: "sql" }, "dumped", "FORMAT_UNAVAILABLE"],
    ["what is encrypted", { format: "db.zst.age" }, "sealed", "REQUEST_INVALID"],
    ["what is encrypted", { format: "sql" }, "sealed", "FORMAT_UNAVAILABLE"],
    [
      "a where, which asks the values",
      { format: "ndjson", where: { users: "email LIKE 'a%'" } },
      "shop",
      "REQUEST_INVALID",
    ],
    ["an order by the values", { format: "ndjson", order: "key" }, "shop", "REQUEST_INVALID"],
    ["a database without rules", { format: "sql" }, "free", "SANITIZE_RULES"],
  ])("is refused for %s: %o", async (_, terms, name, code) => {
    expect((await linkTo(terms, name)).code).toBe(code);
  });

  it("is refused for a column without a rule, and for a schema that holds a value", async () => {
    const rest = { users: RULES.users };
    expect((await linkTo({ format: "sql" }, "shop", contextOf(entries(true, rest)))).code).toBe(
      "SANITIZE_RULES",
    );
    await source.exec(
      "CREATE VIEW hers AS SELECT * FROM orders WHERE email = 'ada@people.example'",
    );
    await context.followers.pull("shop");
    const now = (await admin.json("/v1/databases/shop/timeline"))["window"].to;
    const token = await tokenFor("download");
    const body = { at: now, format: "sql", sanitize: true };
    const { text, status } = await ask("/v1/databases/shop/links", body, token);
    expect(status, text).toBe(201);
    const refused = await open(JSON.parse(text).url);
    expect(refused.status).toBe(422);
    const words = await refused.text();
    expect(words).toMatch(/the view hers in the schema holds a value of (users|orders)\.email/);
    expect(words).toContain('"SANITIZE_UNSAFE"');
    expect(words).not.toMatch(ORIGINALS);
  });

  it("has no rows of the erasure list", async () => {
    const erasure = { table: "users", column: "email", key: "bob@people.example", who: "dpo" };
    await admin.json("/v1/databases/shop/erasures", erasure);
    for (const format of ["ndjson", "sql"]) {
      const { made, text } = await textOf({ format, tables: ["users"] });
      expect(made.erasures).toBe(1);
      expect(text.match(/@example\.com/g)).toHaveLength(1);
      expect(text).not.toMatch(ORIGINALS);
    }
  });
});
