import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { zstdCompress } from "../../../src/format/bytes/codec.ts";
import { DAY, HOUR } from "../../../src/plan/duration.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { failing } from "../../support/failing.ts";
import { putRotted } from "../../support/rotted.ts";
import { askApp } from "../../support/api.ts";

const SHOP = inject("shop");
const { BUCKET } = env;
const DATABASES = {
  shop: { url: SHOP, capture: "dump", badge: "public" },
  hidden: { url: SHOP, capture: "dump" },
};
const ORIGIN = "https://nightjar.example";

interface Options {
  method?: string;
  token?: string | null;
  body?: string;
  headers?: Record<string, string>;
  /** Offset by which the clock is ahead, ms. */
  ahead?: number;
}

/** Send a request to the API, as the admin by default. */
async function call(path: string, options: Options = {}): Promise<Response> {
  const {
    method = "GET",
    token = "test-admin-token-of-24-characters",
    body,
    headers = {},
    ahead = 0,
  } = options;
  const context = testContext(DATABASES, { now: () => Date.now() + ahead });
  const all: Record<string, string> = { ...headers };
  if (token !== null) all["authorization"] = `Bearer ${token}`;
  if (body !== undefined) all["content-type"] ??= "application/json";
  const init = { method, headers: all, ...(body === undefined ? {} : { body }) };
  return askApp(new Request(path.startsWith("/") ? ORIGIN + path : path, init), context);
}

async function json(path: string, options?: Options): Promise<Record<string, any>> {
  return (await call(path, options)).json();
}

let backupId: string;

beforeAll(async () => {
  const context = testContext(DATABASES);
  for (let count = 0; count < 3; count++) await backUp(context, manualRun("shop"));
  backupId = (await newestBackup(context.catalog, "shop"))!.id;
});

async function linkFor(format: string, expiresIn = "1h"): Promise<{ id: string; url: string }> {
  const body = JSON.stringify({ format, expiresIn });
  const answer = await call(`/v1/backups/${backupId}/links`, { method: "POST", body });
  expect(answer.status).toBe(201);
  return answer.json();
}

/** Download with no credential but the link itself. */
const download = (url: string, options: Options = {}) => call(url, { token: null, ...options });

describe("who may ask", () => {
  it("lets nobody without the token into /v1", async () => {
    const routes = [
      ["GET", "/v1/databases"],
      ["GET", "/v1/databases/shop"],
      ["GET", "/v1/databases/shop/backups"],
      ["POST", "/v1/databases/shop/backups"],
      ["GET", `/v1/backups/${backupId}`],
      ["POST", `/v1/backups/${backupId}/links`],
      ["DELETE", "/v1/links/x"],
      ["GET", "/v1/runs/x"],
      ["POST", "/v1/prune"],
      ["GET", "/v1/nothing"],
    ] as const;
    for (const [method, path] of routes)
      for (const token of [null, "", "wrong", "test-admin-token-of-24-charactersx"]) {
        const answer = await call(path, { method, token });
        expect(answer.status, path).toBe(401);
        expect(answer.headers.get("www-authenticate")).toBe("Bearer");
        expect(await answer.json()).toMatchObject({ code: "UNAUTHORIZED" });
      }
  });

  it("answers alike for a private badge and for none: with a grey one, in every style", async () => {
    for (const query of ["", "style=for-the-badge", "show=size&label=shop"]) {
      const answers = [];
      for (const path of ["hidden.svg?", "nothing.svg?", "hidden.svg?key=x&"]) {
        const answer = await call(`/badge/${path}${query}`, { token: null });
        expect(answer.status).toBe(200);
        answers.push(JSON.stringify([[...answer.headers], await answer.text()]));
      }
      expect(new Set(answers).size).toBe(1);
      expect(answers[0]).toMatch(/unknown/i);
      expect(answers[0]).toContain("#939393");
    }
    expect(await json("/badge/hidden.json", { token: null })).toMatchObject({
      ...{ message: "unknown", color: "lightgrey" },
    });
    expect((await call("/health/hidden", { token: null })).status).toBe(404);
    const { badgeUrl } = await json("/v1/databases/hidden");
    const shown = await call(badgeUrl, { token: null });
    expect(shown.status).toBe(200);
    expect(shown.headers.get("cache-control")).toBe("private, max-age=300");
    const key = new URL(badgeUrl).search;
    const other = await call(`/badge/shop2.svg${key}`, { token: null });
    expect(await other.text()).toContain("unknown");
  });
});

describe("what an answer gives away", () => {
  it("is kept by nobody and taken for no page", async () => {
    for (const [path, token] of [
      ["/v1/databases"],
      [`/v1/backups/${backupId}`],
      ["/v1/nothing"],
      ["/v1/databases", "wrong"],
    ] as const) {
      const answer = await call(path, token === undefined ? {} : { token });
      expect(answer.headers.get("cache-control"), path).toBe("no-store");
      expect(answer.headers.get("x-content-type-options"), path).toBe("nosniff");
    }
  });

  it("holds no words of D1 but for the admin", async () => {
    const error = () => new Error("D1_ERROR: no such table: backups");
    const broken = { BUCKET, DB: env.DB };
    const ask = (path: string, token?: string) => {
      const context = testContext(DATABASES, failing(broken, "db", 1, error));
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return askApp(new Request(ORIGIN + path, { headers }), context);
    };
    const { url } = await linkFor("sql");
    for (const path of ["/healthz", "/health/shop", "/badge/shop.svg", new URL(url).pathname]) {
      const answer = await ask(path);
      expect(answer.status, path).toBe(503);
      expect(await answer.text(), path).not.toMatch(/D1|table|wrangler/);
    }
    const told = await ask("/v1/databases/shop", "test-admin-token-of-24-characters");
    expect(await told.text()).toContain("no such table");
  });
});

describe("lists", () => {
  it("page through all backups, newest first, each once", async () => {
    const seen: string[] = [];
    for (let cursor = ""; ;) {
      const page = await json(`/v1/databases/shop/backups?limit=2${cursor}`);
      seen.push(...page["backups"].map(({ id }: { id: string }) => id));
      if (page["next"] === null) break;
      cursor = `&cursor=${page["next"]}`;
    }
    expect(seen).toHaveLength(3);
    expect(new Set(seen).size).toBe(3);
    expect(seen[0]).toBe(backupId);
    expect(await json("/v1/databases/shop/backups/latest")).toMatchObject({ id: backupId });
  });

  it("tell the unknown from the empty", async () => {
    expect(await json("/v1/databases/hidden/backups")).toEqual({
      configured: true,
      backups: [],
      next: null,
    });
    expect(await json("/v1/databases/nope/backups")).toMatchObject({ code: "DATABASE_NOT_FOUND" });
    expect(await json("/v1/databases/hidden/backups/latest")).toMatchObject({
      code: "BACKUP_NOT_FOUND",
    });
    // A backup is found under its own database only.
    expect((await call(`/v1/databases/hidden/backups/${backupId}`)).status).toBe(404);
  });
});

describe("bad input", () => {
  it.each([
    ["/v1/databases/shop/backups", '{"teir":"manual"}', "teir: unknown key"],
    ["/v1/databases/shop/backups", '{"tier":"daily"}', "tier: must be one of"],
    ["/v1/databases/shop/backups", '{"name":""}', "name: must not be empty"],
    ["/v1/databases/shop/backups", '{"name":"a\\nb"}', "name: must not hold line breaks"],
    ["/v1/databases/shop/backups", "{", "Malformed JSON"],
    ["/v1/databases/shop/backups", "[]", "body"],
    ["/v1/prune", "{}", "dryRun: is missing"],
  ])("POST %s %s is refused by field", async (path, body, message) => {
    const answer = await call(path, { method: "POST", body });
    expect(answer.status).toBe(400);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    const problem = (await answer.json()) as Record<string, string>;
    expect(problem).toMatchObject({ code: "REQUEST_INVALID", hint: expect.any(String) });
    expect(problem["detail"]).toContain(message);
  });

  it("does not pass over a body of another type", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const body = '{"format":"sql"}';
    const answer = await call(`/v1/backups/${backupId}/links`, { method: "POST", body, headers });
    expect(answer.status).toBe(400);
  });

  it("refuses formats that a dump cannot give, and links that live too long", async () => {
    const post = (body: object) =>
      json(`/v1/backups/${backupId}/links`, { method: "POST", body: JSON.stringify(body) });
    expect(await post({ format: "db" })).toMatchObject({ code: "FORMAT_UNAVAILABLE", status: 422 });
    expect(await post({ expiresIn: "8d" })).toMatchObject({ code: "REQUEST_INVALID" });
    expect(await post({ expiresIn: "7d" })).toMatchObject({ format: "sql.gz" });
  });
});

describe("downloads", () => {
  it("give the stored bytes, with ranges, tags and HEAD", async () => {
    const { url } = await linkFor("sql.zst");
    const whole = await download(url);
    const bytes = new Uint8Array(await whole.arrayBuffer());
    const { stored, key } = await json(`/v1/backups/${backupId}`);
    const object = new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
    expect(bytes).toEqual(object);
    expect(whole.headers.get("content-length")).toBe(String(stored.bytes));
    expect(whole.headers.get("content-disposition")).toContain(".sql.zst");
    expect(whole.headers.get("cache-control")).toContain("no-store");
    const etag = whole.headers.get("etag")!;

    const part = await download(url, { headers: { range: "bytes=100-199" } });
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe(`bytes 100-199/${stored.bytes}`);
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.slice(100, 200));
    const resumed = { range: "bytes=100-", "if-range": etag };
    expect((await download(url, { headers: resumed })).status).toBe(206);
    const changed = { range: "bytes=100-", "if-range": '"other"' };
    expect((await download(url, { headers: changed })).status).toBe(200);
    const beyond = await download(url, { headers: { range: `bytes=${stored.bytes}-` } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers.get("content-range")).toBe(`bytes */${stored.bytes}`);
    expect((await download(url, { headers: { "if-none-match": etag } })).status).toBe(304);

    const ranged = { method: "HEAD", headers: { range: "bytes=0-9" } };
    const head = await download(url, ranged);
    expect(head.status).toBe(200); // a range applies to GET only
    expect(await head.text()).toBe("");
  });

  it("give the SQL, plain and gzipped", async () => {
    const { raw } = await json(`/v1/backups/${backupId}`);
    const plain = await download((await linkFor("sql")).url);
    const sql = await plain.text();
    expect(new TextEncoder().encode(sql).length).toBe(raw.bytes);
    expect(sql.startsWith("PRAGMA foreign_keys=OFF;\n")).toBe(true);
    const gzipped = await download((await linkFor("sql.gz")).url);
    expect(gzipped.headers.get("content-type")).toBe("application/gzip");
    expect(gzipped.headers.get("content-encoding")).toBeNull();
    const unzipped = gzipped.body!.pipeThrough(new DecompressionStream("gzip"));
    expect(await new Response(unzipped).text()).toBe(sql);
  });

  it("break off, rather than end well, when the stored bytes are not those that were written", async () => {
    const { key } = await json(`/v1/backups/${backupId}`);
    const links = [await linkFor("sql"), await linkFor("sql.gz")];
    const good = new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
    const bad = good.slice();
    bad[Math.floor(bad.length / 2)]! ^= 4;
    await putRotted(key, bad);
    try {
      for (const { url } of links)
        await expect((await download(url)).arrayBuffer()).rejects.toThrow();
      // Valid zstd of the same size, but of another text: a short frame, then a skippable one.
      const other = await gather(zstdCompress(new Blob(["SELECT 1;"]).stream()));
      const swapped = new Uint8Array(good.length);
      swapped.set(other);
      new DataView(swapped.buffer).setUint32(other.length, 0x184d2a50, true);
      new DataView(swapped.buffer).setUint32(
        other.length + 4,
        good.length - other.length - 8,
        true,
      );
      await putRotted(key, swapped);
      for (const { url } of links)
        await expect((await download(url)).arrayBuffer()).rejects.toThrow();
      await BUCKET.put(key, good.slice(0, -1));
      const cut = await download((await linkFor("sql.zst")).url);
      expect(cut.status).toBe(502);
      expect(await cut.json()).toMatchObject({ code: "OBJECT_CORRUPT" });
      await BUCKET.delete(key);
      const gone = await download((await linkFor("sql.gz")).url);
      expect(await gone.json()).toMatchObject({ code: "OBJECT_MISSING" });
    } finally {
      await BUCKET.put(key, good);
    }
  });
});

describe("links", () => {
  it("end when they expire or are revoked", async () => {
    const { id, url } = await linkFor("sql.gz", "2h");
    expect((await download(url, { method: "HEAD" })).status).toBe(200);
    expect((await download(url, { method: "HEAD", ahead: 2 * HOUR - 5000 })).status).toBe(200);
    expect((await download(url, { ahead: 2 * HOUR })).status).toBe(403);
    expect((await call(`/v1/links/${id}`, { method: "DELETE" })).status).toBe(204);
    const revoked = await download(url);
    expect(revoked.status).toBe(403);
    expect(await revoked.json()).toMatchObject({ code: "LINK_INVALID" });
    expect((await call("/v1/links/000000000000", { method: "DELETE" })).status).toBe(404);
  });

  it("open nothing else, and tell nothing, when any part of them is changed", async () => {
    const { url } = await linkFor("sql.gz");
    const { pathname } = new URL(url);
    for (let at = 3; at < pathname.length; at++) {
      const char = pathname[at] === "a" ? "b" : "a";
      const forged = pathname.slice(0, at) + char + pathname.slice(at + 1);
      const answer = await download(forged);
      expect([403, 404], forged).toContain(answer.status);
      expect(await answer.text()).not.toContain(backupId);
    }
    const padded = await download(pathname.replace(/^(\/d\/\w+\.)/, "$10"));
    expect(padded.status).toBe(403);
    const other = await download(pathname.replace(/sql\.gz$/, "sql.zst"));
    expect(other.status).toBe(403);
  });
});

describe("badges and health", () => {
  it("follow the state of the database", async () => {
    const fresh = await call("/badge/shop.json", { token: null });
    expect(fresh.headers.get("cache-control")).toBe("public, max-age=300, s-maxage=300");
    expect(await fresh.json()).toMatchObject({ schemaVersion: 1, color: "brightgreen" });
    expect((await call("/health/shop", { token: null })).status).toBe(200);
    const later = { token: null, ahead: 3 * DAY };
    expect(await json("/badge/shop.json", later)).toMatchObject({ message: "late" });
    expect((await call("/health/shop", later)).status).toBe(503);
    const svg = await call("/badge/shop.svg", { token: null });
    expect(svg.headers.get("content-type")).toContain("image/svg+xml");
    expect(await svg.text()).toContain("backup: just now");
  });

  it("say what they are asked for, in a style and with a label, to pages of any origin", async () => {
    const shown = async (query: string) =>
      (await json(`/badge/shop.json?${query}`, { token: null })) as Record<string, string>;
    expect(await shown("show=restorable")).toMatchObject({
      ...{ label: "restorable", message: "just now", color: "brightgreen" },
    });
    expect((await shown("show=recovery-point"))["message"]).toBe("just now");
    expect((await shown("show=size&label=the+shop"))["label"]).toBe("the shop");
    expect((await shown("show=size"))["message"]).toMatch(/^\d\.\d MB$/);
    const large = await call("/badge/shop.svg?style=for-the-badge", { token: null });
    expect(await large.text()).toContain('height="28"');
    expect(large.headers.get("access-control-allow-origin")).toBe("*");
    for (const query of ["show=all", "style=round", "label=", "labell=x"])
      expect((await call(`/badge/shop.svg?${query}`, { token: null })).status).toBe(400);
  });

  it("turn to failed with the last run, and back with the next good one", async () => {
    const spoilt = testContext({
      shop: { url: "http://127.0.0.1:9", attempts: 1, capture: "dump" },
    });
    await backUp(spoilt, manualRun("shop"));
    expect(await json("/badge/shop.json", { token: null })).toMatchObject({ message: "failed" });
    expect(await json("/v1/databases/shop")).toMatchObject({
      state: "failed",
      lastRun: { state: "failed", error: { code: "SOURCE_UNREACHABLE" } },
    });
    await backUp(testContext(DATABASES), manualRun("shop"));
    expect(await json("/v1/databases/shop")).toMatchObject({ state: "fresh" });
  });
});

it("has nothing anywhere else", async () => {
  for (const path of ["/v2", "/d/x", "/badge/", "/health/"])
    expect((await call(path, { token: null })).status, path).toBe(404);
  expect(await json("/healthz", { token: null })).toMatchObject({ status: "ok", databases: 2 });
});
