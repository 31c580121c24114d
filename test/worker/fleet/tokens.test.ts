import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { log } from "../../../src/core/log.ts";
import type { Page } from "../../../src/format/pages/page.ts";
import { discoverIfDue } from "../../../src/jobs/discovery/discover.ts";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun } from "../../support/context.ts";
import { forgetFleet, FoundFleet, PLATFORM_TOKEN, rowsOf } from "../../support/found-fleet.ts";
import { pagesOf, pagesOfSmallShop } from "../../support/small-pages.ts";
import { TursoCloudStandIn } from "../../support/turso-cloud-stand-in.ts";

// What is planned here is due in no other file.
afterAll(forgetFleet);

const T0 = Date.parse("2026-11-10T10:00:00Z");
const NAMES = Array.from({ length: 12 }, (_, at) => `db-${at + 10}`);

let pages: Page[];
let fleet: FoundFleet;
/** Everything that was logged. */
let lines: string[];

beforeAll(async () => {
  pages = await pagesOfSmallShop();
});

beforeEach(async () => {
  await forgetFleet();
  fleet = new FoundFleet(pages, T0);
  lines = [];
  for (const level of ["debug", "info", "warn", "error"] as const)
    vi.spyOn(console, level).mockImplementation((line: string) => void lines.push(line));
  log.debugs = true;
});
afterEach(() => void (log.debugs = false));

/** Find the databases, without a run. */
const list = () => discoverIfDue(fleet.context(), fleet.now);
const back = (name: string, more = {}) => backUp(fleet.context(more), manualRun(name));
const isMint = (path: string) => path.includes("/auth/tokens");

describe("tokens that Turso makes", () => {
  it("are one for a group, however many databases and invocations there are", async () => {
    fleet.cloud.add(NAMES);
    fleet.cloud.add(["eu-1", "eu-2"], "eu");
    const runs = await fleet.minutes(3);
    expect(runs).toHaveLength(NAMES.length + 2);
    expect(await rowsOf("SELECT state FROM runs WHERE state != 'done'")).toEqual([]);
    expect(fleet.cloud.mints.toSorted()).toEqual(["groups/default", "groups/eu"]);
    await Promise.all(NAMES.map((name) => back(name)));
    expect(fleet.cloud.mints).toHaveLength(2);
  });

  it("are one for a database where none is made for a group, which is asked again in an hour", async () => {
    fleet.cloud.refusesGroups = true;
    fleet.cloud.add(["shop", "blog"]);
    await list();
    for (const name of ["shop", "blog", "shop"])
      expect(await back(name)).toMatchObject({ state: "done" });
    expect(fleet.cloud.mints).toEqual(["groups/default", "databases/shop", "databases/blog"]);
    fleet.now += HOUR;
    fleet.cloud.refusesGroups = false;
    expect(await back("shop")).toMatchObject({ state: "done" });
    expect(fleet.cloud.mints.slice(3)).toEqual(["groups/default"]);
  });

  it("are replaced ten minutes before they end", async () => {
    fleet.cloud.add(["shop"]);
    await list();
    const counts = [];
    for (const minute of [0, 49, 50, 99, 100, 1000]) {
      fleet.now = T0 + minute * MINUTE;
      expect(await back("shop")).toMatchObject({ state: "done" });
      counts.push(fleet.cloud.mints.length);
    }
    expect(counts).toEqual([1, 1, 2, 2, 3, 4]);
    expect(fleet.cloud.late).toBe(0);
  });

  it("are replaced in the middle of a capture", async () => {
    const large = await pagesOf(`CREATE TABLE t (a);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO t SELECT randomblob(3500) FROM n`);
    expect(large.length).toBeGreaterThan(2 * 1024);
    fleet = new FoundFleet(large, T0);
    fleet.cloud.add(["large"]);
    await list();
    let requests = 0;
    const slow = async (url: string, init: RequestInit) => {
      const answer = await fleet.cloud.fetch(url, init);
      if (url.endsWith("/pull-updates"))
        [requests, fleet.now] = [requests + 1, fleet.now + 25 * MINUTE];
      return answer;
    };
    expect(await back("large", { fetch: slow })).toMatchObject({ state: "done", attempt: 1 });
    expect(requests).toBeGreaterThanOrEqual(4);
    expect(fleet.cloud.late).toBe(0);
    expect(fleet.cloud.mints.length).toBeGreaterThanOrEqual(2);
    const { manifest } = (await newestBackup(fleet.context().catalog, "large"))!;
    expect(manifest.schema.userVersion).toBe(fleet.cloud.versionOf("large"));
    expect(manifest.raw.bytes).toBe(large.length * 4096);
  });

  it("are made anew once where a server no longer takes them", async () => {
    fleet.cloud.add(["shop", "blog"]);
    await list();
    await back("shop");
    fleet.cloud.revokeTokens();
    for (const name of ["shop", "blog"])
      expect(await back(name)).toMatchObject({ state: "done", attempt: 1 });
    expect(fleet.cloud.mints).toHaveLength(2);
  });

  it("do not wait for an invocation that was cut off while it made one", async () => {
    fleet.cloud.add(["shop"]);
    await list();
    let hung = false;
    const never = (url: string, init: RequestInit) => {
      if (!isMint(url)) return fleet.cloud.fetch(url, init);
      hung = true;
      return new Promise<Response>(() => {});
    };
    void back("shop", { fetch: never });
    await vi.waitFor(() => expect(hung).toBe(true));
    expect(await back("shop")).toMatchObject({ state: "done" });
  });
});

describe("a platform that is down", () => {
  const down = (path: string) =>
    isMint(path) ? new Response("we are down", { status: 503 }) : undefined;

  it("fails runs that need a token, and no other", async () => {
    fleet.cloud.add(["shop", "by-hand"]);
    fleet.cloud.add(["far"], "eu");
    fleet.databases = {
      own: { url: `https://${TursoCloudStandIn.hostOf("by-hand")}`, token: "OWN_TOKEN" },
    };
    fleet.options = {
      secrets: {
        ...{ PLATFORM_TOKEN, OPS_URL: "https://alerts.example/x" },
        OWN_TOKEN: fleet.cloud.lastingToken("by-hand"),
      },
    };
    fleet.cloud.broken = (path) => (path.includes("/groups/eu/") ? undefined : down(path));
    await fleet.minutes(3);
    const runs = await rowsOf<{ database: string; state: string; error: string; attempt: number }>(
      "SELECT database, state, error, attempt FROM runs ORDER BY database",
    );
    expect(runs.map(({ database, state }) => [database, state])).toEqual([
      ["far", "done"],
      ["own", "done"],
      ["shop", "failed"],
    ]);
    const { error } = runs[2]!;
    expect(JSON.parse(error)).toMatchObject({
      code: "PLATFORM_UNREACHABLE",
      message: expect.stringContaining("making a token for the group default"),
    });
    // Four attempts of the run, five of each request.
    expect(runs[2]!.attempt).toBe(4);
    fleet.cloud.broken = () => undefined;
    fleet.now = T0 + DAY;
    await fleet.minutes(62);
    expect((await newestBackup(fleet.context().catalog, "shop"))!.manifest.takenAt).toMatch(
      /^2026-11-11/,
    );
  });

  it("is no failure of a run that tries again when it is back", async () => {
    fleet.cloud.add(["shop"]);
    await list();
    let left = 7; // the first attempt's five, and two of the second
    fleet.cloud.broken = (path) => (isMint(path) && left-- > 0 ? down(path) : undefined);
    expect(await back("shop")).toMatchObject({ state: "done", attempt: 2 });
  });

  it("is told as such where a token cannot be replaced in the middle of a capture", async () => {
    fleet.turso = { defaults: { attempts: 1 } };
    fleet.cloud.add(["shop"]);
    await list();
    await back("shop");
    fleet.cloud.change("shop");
    const late = async (url: string, init: RequestInit) => {
      const answer = await fleet.cloud.fetch(url, init);
      if (url.endsWith("/pull-updates")) {
        fleet.now += HOUR;
        fleet.cloud.broken = down;
      }
      return answer;
    };
    const { state, error } = await back("shop", { fetch: late });
    expect([state, error!.code]).toEqual(["failed", "PLATFORM_UNREACHABLE"]);
  });
});

it("no token is in any error, line of the log, manifest, audit, answer or object", async () => {
  fleet.cloud.add(["shop", "hostile"]);
  await list();
  const jwts: string[] = [];
  let fails = false;
  // A server that repeats what it was sent, behind words that end where messages are cut.
  const repeating = async (url: string, init: RequestInit) => {
    const sent = new Headers(init.headers).get("authorization")?.replace("Bearer ", "") ?? "";
    if (new URL(url).hostname === TursoCloudStandIn.hostOf("hostile") && fails)
      return new Response(`${"x".repeat(180)} ${sent} no`, { status: 403 });
    const answer = await fleet.cloud.fetch(url, init);
    if (isMint(url)) jwts.push(((await answer.clone().json()) as { jwt: string }).jwt);
    return answer;
  };
  fleet.options = { fetch: repeating };
  expect(await back("shop")).toMatchObject({ state: "done" });
  expect(await back("hostile")).toMatchObject({ state: "done" });
  fails = true;
  fleet.now += 55 * MINUTE;
  const { error } = await back("hostile");
  expect(error).toMatchObject({ code: "SOURCE_UNAUTHORIZED" });
  expect(error!.message).toContain("[token]");
  fleet.now += DAY;
  await fleet.minutes(62); // asked for what is new, and refused too
  expect(new Set(jwts).size).toBeGreaterThanOrEqual(3);

  const { json } = apiOf(fleet.context({ now: () => Date.now() }));
  const answers = [];
  for (const path of [
    ...["/v1/databases", "/v1/databases/shop", "/v1/databases/shop/backups", "/v1/runs"],
    ...["/v1/databases/hostile", "/v1/audit", "/v1/alerts"],
  ])
    answers.push(JSON.stringify(await json(path)));
  const tables = await rowsOf<{ name: string }>(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
  );
  const stored = [];
  for (const { name } of tables)
    stored.push(JSON.stringify(await rowsOf(`SELECT * FROM "${name}"`)));
  for (const { key } of (await env.BUCKET.list()).objects)
    if (key.endsWith(".json")) stored.push(await (await env.BUCKET.get(key))!.text());
  expect(lines.some((line) => line.includes("SOURCE_UNAUTHORIZED"))).toBe(true);
  const everything = [...lines, ...answers, ...stored, ...fleet.inbox].join("\n");
  for (const secret of [...jwts, PLATFORM_TOKEN]) {
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain(secret.slice(0, 16));
  }
});
