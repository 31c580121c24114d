import fc from "fast-check";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { listAudit } from "../../../src/catalog/access/audit.ts";
import { app } from "../../../src/http/app.ts";
import { type Need, needOf } from "../../../src/http/access/needs.ts";
import { addressOf } from "../../../src/http/access/attempts.ts";
import { VERSION } from "../../../src/core/version.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { type Scope, SCOPES } from "../../../src/plan/access.ts";
import type { Context } from "../../../src/worker/context.ts";
import type { Attempts } from "../../../src/worker/attempts.ts";
import { apiOf, askApp, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";

const SHOP = inject("small");
const DATABASES = {
  shop: { url: SHOP, capture: "dump" },
  other: { url: SHOP, capture: "dump" },
};
const ADMIN = "test-admin-token-of-24-characters";

/** Every route under /v1 with what it needs, as the app has them. */
const ROUTES = app.routes.flatMap(({ method, path, handler }) => {
  const need = needOf(handler);
  return need === undefined ? [] : [{ method, path, need }];
});

let context: Context;
/** One of each thing that a path can name, of both databases. */
const things: Record<string, Record<Need["names"], string>> = {};

beforeAll(async () => {
  context = testContext(DATABASES);
  for (const db of ["shop", "other"]) {
    const run = await backUp(context, manualRun(db));
    const backup = (await newestBackup(context.catalog, db))!.id;
    const link = await apiOf(context).json(`/v1/backups/${backup}/links`, { format: "sql" });
    things[db] = {
      database: db,
      backup,
      run: run.id,
      link: link["id"] as string,
      all: "x",
      own: "x",
    };
  }
});

async function tokenFor(
  scopes: readonly Scope[],
  databases?: readonly string[],
  expiresIn?: string,
): Promise<string> {
  const made = await apiOf(context).json("/v1/tokens", {
    ...{ name: "test", scopes, databases, expiresIn },
  });
  return made["token"] as string;
}

/** The path with a thing of a database in it, or with a name that does not exist. */
function pathFor(path: string, { names }: Need, db: string | undefined): string {
  const NOWHERE = {
    database: "nowhere",
    backup: "0".repeat(12),
    run: "nowhere-run",
    link: "0".repeat(12),
  };
  const first = db === undefined ? (NOWHERE as Record<string, string>)[names] : things[db]![names];
  let at = 0;
  return path.replaceAll(/:\w+(\{[^}]*\})?/g, () => (at++ === 0 ? (first ?? "x") : "latest"));
}

async function ask(path: string, method: string, token: string | undefined) {
  const answer = await askApp(
    new Request(ORIGIN + path, {
      method,
      headers: {
        "content-type": "application/json",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      // A field that no route knows: what is let through is refused before it does anything.
      ...(method !== "GET" && { body: JSON.stringify({ unknown: true }) }),
    }),
    context,
  );
  const text = await answer.text();
  return { status: answer.status, text, code: codeIn(text) };
}

function codeIn(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { code?: string }).code;
  } catch {
    return undefined;
  }
}

const allows = (scopes: readonly Scope[], scope: Scope) =>
  scopes.includes("admin") ||
  scopes.includes(scope) ||
  scope === "read" ||
  (scope === "download" && scopes.includes("download:raw"));

describe("every route under /v1", () => {
  it("says what it needs, and records what it does unless it only tells", () => {
    const all = app.routes.filter(
      ({ path, method }) => path.startsWith("/v1/") && method !== "ALL",
    );
    const known = new Set(ROUTES.map(({ method, path }) => `${method} ${path}`));
    expect(new Set(all.map(({ method, path }) => `${method} ${path}`))).toEqual(known);
    expect(known.size).toBeGreaterThan(30);
    for (const { method, path, need } of ROUTES) {
      const tells = method === "GET" || path === "/v1/audit/verify";
      expect(need.action === undefined, `${method} ${path}`).toBe(tells);
    }
  });

  it("lets nobody in without a token, or with a wrong, expired or revoked one", async () => {
    const expired = await tokenFor(["admin"], undefined, "1s");
    const revoked = await tokenFor(["admin"]);
    await apiOf(context).call(`/v1/tokens/${revoked.split("_")[1]}`, undefined, "DELETE");
    const valid = await tokenFor(["admin"]);
    const later = { ...context, deps: { ...context.deps, now: () => Date.now() + 2000 } };
    const wrong = `${valid.slice(0, -1)}${valid.endsWith("A") ? "B" : "A"}`;
    for (const { method, path, need } of ROUTES)
      for (const token of [
        undefined,
        "",
        "x",
        wrong,
        revoked,
        ADMIN.slice(1),
        valid.toUpperCase(),
      ]) {
        const { status, code } = await ask(pathFor(path, need, "shop"), method, token);
        expect([status, code], `${method} ${path} ${token}`).toEqual([401, "UNAUTHORIZED"]);
      }
    const call = (token: string) =>
      askApp(
        new Request(`${ORIGIN}/v1/databases`, { headers: { authorization: `Bearer ${token}` } }),
        later,
      );
    expect((await call(expired)).status).toBe(401);
    expect((await call(valid)).status).toBe(200);
  });

  it.each(SCOPES)("lets the scope %s through where it may, and nowhere else", async (scope) => {
    const everywhere = await tokenFor([scope]);
    const limited = await tokenFor([scope], ["shop"]);
    for (const { method, path, need } of ROUTES) {
      const where = `${scope}: ${method} ${path}`;
      const own = pathFor(path, need, "shop");
      const foreign = pathFor(path, need, "other");
      const may = allows([scope], need.scope);
      const free = await ask(own, method, everywhere);
      const inside = await ask(own, method, limited);
      const outside = await ask(foreign, method, limited);
      expect(free.code === "FORBIDDEN", where).toBe(!may);
      expect(free.status, where).not.toBe(401);
      expect(inside.code === "FORBIDDEN", where).toBe(!may || need.names === "all");
      if (!may || need.names === "all") {
        expect(outside.code, where).toBe("FORBIDDEN");
        continue;
      }
      if (need.names === "own") {
        expect(outside.text, where).not.toContain("other");
        continue;
      }
      // What is there and what is not are refused in the same words.
      const missing = await ask(pathFor(path, need, undefined), method, limited);
      expect([outside.status, outside.code], where).toEqual([missing.status, missing.code]);
      expect(outside.status, where).toBe(404);
      const named = (text: string, name: string) => text.replaceAll(name, "<name>");
      expect(named(outside.text, things["other"]![need.names]), where).toBe(
        named(missing.text, pathFor("/:x", need, undefined).slice(1)),
      );
    }
  });
});

describe("a token", () => {
  it("may have any set of scopes and databases, and reaches what they say", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.constantFrom(...SCOPES), { minLength: 1 }),
        fc.option(fc.uniqueArray(fc.constantFrom("shop", "other"), { minLength: 1 }), {
          nil: undefined,
        }),
        fc.constantFrom(...ROUTES.filter(({ need }) => need.names === "database")),
        fc.constantFrom("shop", "other"),
        async (scopes, databases, { method, path, need }, db) => {
          const { code } = await ask(
            pathFor(path, need, db),
            method,
            await tokenFor(scopes, databases),
          );
          const may = allows(scopes, need.scope);
          const reaches = databases === undefined || databases.includes(db);
          expect(code === "FORBIDDEN").toBe(!may);
          if (may) expect(code === "DATABASE_NOT_FOUND").toBe(!reaches);
        },
      ),
      { numRuns: Number(process.env["TRIALS"] ?? 60) },
    );
  });

  it("is shown once, stored as a hash, and listed with its last use and its end", async () => {
    const api = apiOf(context);
    const token = await tokenFor(["read"], ["shop"], "90d");
    const id = token.split("_")[1]!;
    await ask("/v1/databases", "GET", token);
    const listed = (await api.json("/v1/tokens?limit=200"))["tokens"] as Record<string, any>[];
    const row = listed.find((one) => one["id"] === id)!;
    expect(row).toMatchObject({
      scopes: ["read"],
      databases: ["shop"],
      state: "valid",
      createdBy: "root",
    });
    expect(Date.parse(row["lastUsedAt"])).toBeGreaterThan(Date.now() - 60_000);
    expect(Date.parse(row["expiresAt"]) - Date.parse(row["createdAt"])).toBe(90 * DAY);
    const all = JSON.stringify(listed);
    expect(all).not.toContain(token);
    expect(all).not.toContain("hash");
  });

  it("tells whose it is, and what it may do", async () => {
    const token = await tokenFor(["download"], ["shop"], "90d");
    const { text } = await ask("/v1/tokens/current", "GET", token);
    const json = JSON.parse(text) as Record<string, any>;
    expect(json).toMatchObject({ scopes: ["download"], databases: ["shop"], version: VERSION });
    expect(json["id"]).toBe(`token:${token.split("_")[1]}`);
    expect(Date.parse(json["expiresAt"]) - Date.parse(json["now"])).toBeGreaterThan(89 * DAY);
    expect(await apiOf(context).json("/v1/tokens/current")).toMatchObject({
      ...{ id: "root", scopes: ["admin"], databases: null, expiresAt: null },
    });
    expect((await ask("/v1/tokens/current", "GET", "nightjar_unknown_token")).status).toBe(401);
  });

  it("is refused with a name of no database, an unknown scope, or no scope", async () => {
    const api = apiOf(context);
    for (const wrong of [
      { scopes: [] },
      { scopes: ["everything"] },
      { scopes: ["read"], databases: [] },
      { scopes: ["read"], expiresIn: "0d" },
    ])
      expect((await api.call("/v1/tokens", { name: "x", ...wrong })).status).toBe(400);
    const nowhere = { name: "x", scopes: ["read"], databases: ["nowhere"] };
    expect((await api.call("/v1/tokens", nowhere)).status).toBe(404);
  });

  it("that is limited suggests and lists only what it reaches", async () => {
    const limited = await tokenFor(["read"], ["shop"]);
    const { text } = await ask("/v1/databases", "GET", limited);
    expect(
      (JSON.parse(text) as { databases: { name: string }[] }).databases.map(({ name }) => name),
    ).toEqual(["shop"]);
    expect((await ask("/v1/databases/othe", "GET", limited)).text).not.toContain("other");
    expect((await ask("/v1/databases/sho", "GET", limited)).text).toContain("shop?");
  });

  it("that is limited restores into no other database", async () => {
    const limited = await tokenFor(["restore"], ["shop"]);
    const request = (database: string) =>
      askApp(
        new Request(`${ORIGIN}/v1/backups/${things["shop"]!.backup}/restore`, {
          method: "POST",
          headers: { authorization: `Bearer ${limited}`, "content-type": "application/json" },
          body: JSON.stringify({ target: { database }, overwrite: true, dryRun: true }),
        }),
        context,
      );
    const [other, nowhere] = [await request("other"), await request("nowher")];
    expect([other.status, nowhere.status]).toEqual([404, 404]);
    expect(await other.text()).not.toContain("shop");
  });

  it("opens a private badge and the health of what it reaches, and no other", async () => {
    const limited = await tokenFor(["read"], ["shop"]);
    expect((await ask("/badge/shop.json", "GET", limited)).status).toBe(200);
    expect((await ask("/health/shop", "GET", limited)).status).not.toBe(404);
    for (const name of ["other", "nowhere"]) {
      expect((await ask(`/badge/${name}.json`, "GET", limited)).text).toContain("unknown");
      expect((await ask(`/health/${name}`, "GET", limited)).status).toBe(404);
    }
  });
});

describe("who guesses", () => {
  /** A limit of three attempts. */
  function limited(): Attempts {
    const failed = new Map<string, number>();
    return {
      isBlocked: (address) => (failed.get(address) ?? 0) > 3,
      async fail(address) {
        failed.set(address, (failed.get(address) ?? 0) + 1);
        return failed.get(address)! <= 3;
      },
    };
  }

  it("must wait after some wrong tokens or links, from one address or one network of IPv6", async () => {
    const guarded = testContext(DATABASES, { attempts: limited() });
    const from = (address: string, path: string, token?: string) =>
      askApp(
        new Request(ORIGIN + path, {
          headers: {
            "cf-connecting-ip": address,
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
          },
        }),
        guarded,
      );
    const valid = await tokenFor(["read"]);
    const file = "shop-20261121T000000Z-000000000000.sql";
    const link = `/d/000000000000.zzzzzz.${"A".repeat(43)}/${file}`;
    const answers = [
      await from("2001:db8:0:1::1", "/v1/databases", "wrong"),
      await from("2001:db8:0:1:ffff::2", link),
      await from("2001:db8:0:1::3", "/v1/databases", "wrong"),
      await from("2001:db8:0:1::4", "/v1/databases", "wrong"),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 403, 401, 429]);
    expect(answers.at(-1)!.headers.get("retry-after")).toBe("60");
    // Nothing more is looked up for it, but ADMIN_TOKEN needs no look.
    expect((await from("2001:db8:0:1::5", "/v1/databases", valid)).status).toBe(429);
    expect((await from("2001:db8:0:1::5", link)).status).toBe(429);
    expect((await from("2001:db8:0:1::5", "/v1/databases", ADMIN)).status).toBe(200);
    expect((await from("2001:db8:0:2::5", "/v1/databases", valid)).status).toBe(200);
    const rows = await listAudit(guarded.catalog, { action: "authentication" }, 3);
    expect(rows.map(({ outcome, detail }) => [outcome, detail])).toEqual(
      ["token", "link", "token"].map((shown) => [
        "denied",
        JSON.stringify({ shown, address: "2001:db8:0:1::/64" }),
      ]),
    );
  });

  it.each([
    ["203.0.113.9", "203.0.113.9"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ])("from %s is counted as %s", (address, counted) => {
    const request = new Request(ORIGIN, { headers: { "cf-connecting-ip": address } });
    expect(addressOf(request)).toBe(counted);
  });
});
