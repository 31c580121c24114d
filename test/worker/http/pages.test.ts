import { beforeAll, describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { findRun, listRuns } from "../../../src/catalog/runs.ts";
import { app } from "../../../src/http/app.ts";
import type { Scope } from "../../../src/plan/access.ts";
import { HOUR } from "../../../src/plan/duration.ts";
import type { Context } from "../../../src/worker/context.ts";
import { apiOf, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";

const ROOT = "test-admin-token-of-24-characters";
const SHOP = inject("small");
const DATABASES = {
  shop: { url: SHOP, capture: "dump", badge: "public" },
  other: { url: SHOP, capture: "dump" },
};
const HOSTILE = `<script>alert(1)</script>"'&`;
let ahead = 0;
let context: Context;
const backups: Record<string, string> = {};
const runs: Record<string, string> = {};

interface Asked {
  readonly form?: Record<string, string>;
  readonly cookie?: string;
  readonly origin?: string;
  readonly accept?: string;
}

async function ask(
  path: string,
  { form, cookie, origin = ORIGIN, accept = "text/html" }: Asked = {},
) {
  const answer = await app.fetch(
    new Request(ORIGIN + path, {
      method: form === undefined ? "GET" : "POST",
      headers: {
        accept,
        ...(cookie !== undefined && { cookie }),
        ...(form !== undefined && { origin, "content-type": "application/x-www-form-urlencoded" }),
      },
      ...(form !== undefined && { body: new URLSearchParams(form).toString() }),
      redirect: "manual",
    }),
    context,
  );
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** Sign in, and return the cookie. */
async function signIn(token: string): Promise<string> {
  const { status, headers } = await ask("/sign-in", { form: { token } });
  expect(status).toBe(303);
  return headers.get("set-cookie")!.split(";")[0]!;
}

async function cookieFor(scopes: Scope[], databases?: string[]) {
  const made = await apiOf(context).json("/v1/tokens", { name: "test", scopes, databases });
  return {
    cookie: await signIn(made["token"] as string),
    id: (made["token"] as string).split("_")[1]!,
  };
}

beforeAll(async () => {
  context = testContext(DATABASES, { now: () => Date.now() + ahead });
  for (const db of ["shop", "other"]) {
    const run = await backUp(context, { ...manualRun(db), name: HOSTILE, labels: { pr: HOSTILE } });
    runs[db] = run.id;
    backups[db] = (await newestBackup(context.catalog, db))!.id;
  }
});

const pathsOf = (db: string) => [
  `/databases/${db}`,
  `/backups/${backups[db]}`,
  `/runs/${runs[db]}`,
];
const PLACES = ["/", "/alerts", "/audit", "/tokens", "/cost"];

describe("signing in", () => {
  it("takes a valid token, and keeps it nowhere in the browser", async () => {
    const { headers, text } = await ask("/sign-in", { form: { token: ROOT } });
    const cookie = headers.get("set-cookie")!;
    expect(cookie).toMatch(/; Max-Age=43200; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
    expect(cookie + text).not.toContain(ROOT);
    expect(headers.get("location")).toBe("/");
    const fleet = await ask("/", { cookie: cookie.split(";")[0]! });
    expect(fleet.text).toContain("2 databases");
  });

  it("refuses a wrong token, a changed cookie, and one after twelve hours", async () => {
    const wrong = await ask("/sign-in", { form: { token: "wrong" } });
    expect([wrong.status, wrong.headers.get("set-cookie")]).toEqual([401, null]);
    expect(wrong.text).toContain("This is no valid token.");
    const cookie = await signIn(ROOT);
    const [name, value = ""] = cookie.split("=");
    const [who, until, signature] = value.split(".");
    for (const changed of [
      ...[`${who}.${Number(until) + 1}.${signature}`, `${who}.${until}.x`, "root", "", ".."],
      `token:000000000000.${until}.${signature}`,
    ])
      expect((await ask("/tokens", { cookie: `${name}=${changed}` })).status, changed).toBe(401);
    ahead = 12 * HOUR + 1;
    expect((await ask("/tokens", { cookie })).status).toBe(401);
    ahead = 0;
    expect((await ask("/tokens", { cookie })).status).toBe(200);
  });

  it("ends when its token is revoked, and when ADMIN_TOKEN is another one", async () => {
    const { cookie, id } = await cookieFor(["read"]);
    expect((await ask("/alerts", { cookie })).status).toBe(200);
    await apiOf(context).call(`/v1/tokens/${id}`, undefined, "DELETE");
    const ended = await ask("/alerts", { cookie });
    expect(ended.status).toBe(401);
    expect(ended.text).toContain("was revoked at");
    const root = await signIn(ROOT);
    const before = context;
    context = {
      ...context,
      config: { ...context.config, adminToken: "another-token-of-24-characters" },
    };
    expect((await ask("/alerts", { cookie: root })).status).toBe(401);
    context = before;
  });

  it("shows, to who is not signed in, of public databases what their badges show, and of others nothing", async () => {
    const { status, text } = await ask("/");
    expect(status).toBe(200);
    expect(text).toContain("<td>shop</td>");
    expect(text).toContain("just now");
    expect(text).not.toContain("other");
    for (const path of [...pathsOf("shop"), ...PLACES.slice(1)])
      expect((await ask(path)).status, path).toBe(401);
  });
});

describe("every page", () => {
  it("runs no script, is framed by nobody, and escapes what comes from outside", async () => {
    const cookie = await signIn(ROOT);
    for (const path of [
      ...PLACES,
      ...pathsOf("shop"),
      "/nothing",
      "/databases/nowhere",
      "/d/x/y",
    ]) {
      const { headers, text } = await ask(path, { cookie });
      expect(text, path).toMatch(/^<!doctype html><html lang="en">/);
      expect(text, path).not.toMatch(/<script|javascript:|\son\w+=|\sstyle=/i);
      expect(headers.get("content-security-policy"), path).toMatch(/^default-src 'none';/);
      expect(headers.get("content-security-policy"), path).not.toContain("script-src");
      expect(headers.get("x-frame-options"), path).toBe("DENY");
      expect(headers.get("cache-control"), path).toBe("no-store");
    }
    const [, backup] = pathsOf("shop");
    expect((await ask(backup!, { cookie })).text).toContain(
      "&lt;script&gt;alert(1)&lt;/script&gt;",
    );
  });

  it("shows what a token reaches, and takes the rest for what is not there", async () => {
    const { cookie } = await cookieFor(["read"], ["shop"]);
    const fleet = await ask("/", { cookie });
    expect(fleet.text).toContain("/databases/shop");
    expect(fleet.text).not.toContain("other");
    for (const path of pathsOf("shop"))
      expect((await ask(path, { cookie })).status, path).toBe(200);
    for (const path of pathsOf("other")) {
      const hidden = await ask(path, { cookie });
      expect(hidden.status, path).toBe(404);
      expect(hidden.text, path).not.toContain("/databases/other");
    }
    expect((await ask("/tokens", { cookie })).status).toBe(403);
    // A button that is refused is not shown.
    const { text } = await ask(pathsOf("shop")[1]!, { cookie });
    for (const act of ["download", "pin", "verify", "drill", "restore"])
      expect(text).not.toContain(`/${act}"`);
  });

  it("does what its forms say only if the token may, and only from its own origin", async () => {
    const { cookie } = await cookieFor(["read"]);
    const root = await signIn(ROOT);
    const form = { reason: "mine", format: "sql", target: "other" };
    for (const act of ["verify", "drill", "pin", "unpin", "download", "restore"]) {
      const path = `/backups/${backups["shop"]}/${act}`;
      expect((await ask(path, { form, cookie })).status, act).toBe(403);
      expect((await ask(path, { form })).status, act).toBe(401);
      const foreign = await ask(path, { form, cookie: root, origin: "https://evil.example" });
      expect(foreign.status, act).toBe(403);
    }
    for (const path of ["/databases/shop/backup", "/tokens", "/sign-in", "/sign-out"]) {
      const foreign = await ask(path, { form, cookie: root, origin: "https://evil.example" });
      expect(foreign.text, path).toContain("came from another site");
    }
    const { manifest } = (await newestBackup(context.catalog, "shop"))!;
    expect(manifest.pin).toBeUndefined();
  });
});

describe("a person", () => {
  it("backs up, pins, verifies, downloads and makes a token", async () => {
    const cookie = await signIn(ROOT);
    const act = (path: string, form: Record<string, string> = {}) => ask(path, { form, cookie });
    const started = await act("/databases/other/backup");
    expect(started.status).toBe(303);
    const run = started.headers.get("location")!;
    expect((await ask(run, { cookie })).text).toContain('http-equiv="refresh"');
    expect(await findRun(context.catalog, run.replace("/runs/", ""))).toMatchObject({
      trigger: "api",
    });

    const backup = `/backups/${backups["shop"]}`;
    expect((await act(`${backup}/pin`, { reason: "keep" })).headers.get("location")).toBe(
      `${backup}?done=pin`,
    );
    expect((await ask(`${backup}?done=pin`, { cookie })).text).toContain("pinned by user: keep");
    expect((await act(`${backup}/unpin`)).status).toBe(303);
    await act(`${backup}/verify`);
    expect((await ask(backup, { cookie })).text.match(/verify verified/g)!.length).toBeGreaterThan(
      1,
    );
    const link = await act(`${backup}/download`, { format: "sql" });
    const file = await ask(new URL(link.headers.get("location")!).pathname);
    expect(file.text).toContain("CREATE TABLE");

    const made = await act("/tokens", {
      name: "ci",
      scopes: "backup",
      databases: "shop",
      expiresIn: "1d",
    });
    expect(made.text).toMatch(/<pre>nj_[0-9a-z]{12}_[\w-]{43}<\/pre>/);
    expect((await ask("/tokens", { cookie })).text).not.toMatch(/nj_[0-9a-z]{12}_/);
  });

  it("sees on which days a backup was proven, on both pages", async () => {
    const cookie = await signIn(ROOT);
    for (const path of ["/", "/databases/shop"])
      expect((await ask(path, { cookie })).text, path).toContain(
        'aria-label="Last 90 days: 1 proven"',
      );
  });

  it("filters the backups of a database", async () => {
    const cookie = await signIn(ROOT);
    const rows = async (query: string) => {
      const { text } = await ask(`/databases/shop?${query}`, { cookie });
      return text.match(/href="\/backups\//g)?.length ?? 0;
    };
    const today = new Date().toISOString().slice(0, 10);
    expect(await rows("")).toBe(1);
    expect(await rows("tier=manual&name=SCRIPT&label=pr")).toBe(1);
    expect(await rows(`label=${encodeURIComponent(`pr=${HOSTILE}`)}`)).toBe(1);
    expect(await rows("label=pr%3Dother")).toBe(0);
    expect(await rows("tier=daily")).toBe(0);
    expect(await rows("name=nothing")).toBe(0);
    expect(await rows("migration=0042")).toBe(0);
    expect(await rows(`since=${today}&until=${today}`)).toBe(1);
    expect(await rows("until=2020-01-01")).toBe(0);
    const wrong = await ask("/databases/shop?tier=dayly", { cookie });
    expect([wrong.status, wrong.text.includes("must be one of")]).toEqual([400, true]);
  });

  it("restores only after what would be done was shown, and the target's name was typed", async () => {
    const cookie = await signIn(ROOT);
    const path = `/backups/${backups["shop"]}/restore`;
    const form = { target: "other", overwrite: "yes" };
    const plan = await ask(path, { form, cookie });
    expect(plan.text).toContain("Nothing has been changed yet");
    expect(plan.text).toContain("type the name of the target");
    const wrong = await ask(path, { form: { ...form, confirm: "othr" }, cookie });
    expect([wrong.status, wrong.text.includes("Nothing was changed")]).toEqual([400, true]);
    const { rows } = await apiOf(context).json("/v1/audit?action=restore&outcome=started");
    expect(rows).toEqual([]);
  });

  it("who opens a link that has ended reads why and whom to ask; a program gets JSON", async () => {
    const person = await ask("/d/0000000000000000000000/shop.sql");
    expect(person.status).toBe(403);
    expect(person.text).toContain("This link does not work");
    expect(person.text).toContain("Ask whoever gave you the link for a new one");
    const program = await ask("/d/0000000000000000000000/shop.sql", { accept: "*/*" });
    expect(JSON.parse(program.text)).toMatchObject({ code: "LINK_INVALID" });
    expect((await ask("/nothing", { accept: "*/*" })).headers.get("content-type")).toBe(
      "application/problem+json",
    );
  });
});

it("lists the runs that a token reaches, by database and state", async () => {
  const { runs: all } = await apiOf(context).json("/v1/runs?state=done");
  expect(new Set(all.map((run: { database: string }) => run.database))).toEqual(
    new Set(["shop", "other"]),
  );
  const shown = await apiOf(context).json("/v1/runs?database=shop&limit=1");
  expect(shown["runs"]).toMatchObject([{ database: "shop" }]);
  const stored = await listRuns(context.catalog, { databases: undefined }, 100);
  const ids: string[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page = await apiOf(context).json(
      `/v1/runs?limit=1${cursor === "" ? "" : `&cursor=${cursor}`}`,
    );
    ids.push(...page["runs"].map((run: { id: string }) => run.id));
    cursor = page["next"] as string | null;
  }
  expect(ids).toEqual(stored.map(({ id }) => id));
});
