import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DATABASE, SOURCE } from "../../../src/http/answers/database.ts";
import { COVERAGE } from "../../../src/http/answers/coverage.ts";
import { type Answers, startFakeNightjar } from "../../support/fake-nightjar.ts";
import { runCli } from "../../support/run-cli.ts";

/** A fleet of 450 databases, as a Nightjar answers about it. */
const COUNT = 450;
const names = Array.from({ length: COUNT }, (_, at) => `acme-${String(at).padStart(3, "0")}`);
const LATE = ["acme-005", "acme-210", "acme-449"];
const soon = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();

let nightjar: Awaited<ReturnType<typeof startFakeNightjar>>;
let asked: string[] = [];
let databases: object[];
let rows: object[];
const answers: Answers = {};

const fleetOf = (count: number) =>
  names.slice(0, count).map((name) => {
    const state = LATE.includes(name) ? "late" : "fresh";
    const newestBackup = { ...DATABASE.newestBackup!, takenAt: soon(-5) };
    const from = { origin: "TURSO", group: "default" };
    const own = { lastRun: null, follow: null, refresh: null, log: null };
    const met = { recoveryPoint: null, recoveryTime: null };
    return {
      ...{ ...DATABASE, name, state, newestBackup, ...from, ...own, ...met },
      nextScheduledAt: soon(3.5),
    };
  });

function pageOf(
  all: () => readonly object[],
  more: () => object = () => ({}),
  size = 200,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    asked.push(request.url!);
    const from = Number(new URL(request.url!, "http://x").searchParams.get("cursor") ?? 0);
    const next = from + size < all().length ? String(from + size) : null;
    response.end(JSON.stringify({ ...more(), databases: all().slice(from, from + size), next }));
  };
}

beforeAll(async () => {
  nightjar = await startFakeNightjar(answers);
});
afterAll(() => nightjar.stop());
beforeEach(() => {
  asked = [];
  databases = fleetOf(COUNT);
  rows = [];
  Object.assign(answers, {
    "GET /v1/databases": pageOf(
      () => databases,
      () => ({ healthUrl: "https://x/health?key=k" }),
    ),
    "GET /v1/coverage": pageOf(
      () => rows,
      () => ({ ...COVERAGE, counts: asked.at(-1)!.includes("cursor") ? null : COVERAGE.counts }),
      2,
    ),
    "GET /v1/alerts": { incidents: [], next: null },
    "GET /v1/alerts/channels": { channels: [{ name: "ops", mistakes: [], error: null }] },
    "GET /health": {
      status: "ok",
      cron: { at: soon(0), error: null },
      databases: 450,
      failing: [],
    },
    "GET /healthz": { migration: { applied: "1", needed: "1" } },
    "GET /v1/tokens/current": {
      ...{ name: "root", scopes: ["admin"], databases: null, expiresAt: null, version: "0.1.0" },
      now: soon(0),
    },
  });
});

const run = (...args: string[]) => runCli(args, tmpdir(), nightjar.env);
const row = (name: string, fields: object) => ({
  ...{ name, origin: "TURSO", group: "default", hostname: `${name}-acme.turso.io` },
  ...{ protected: false, why: "not-included", state: null, words: `Words of ${name}.` },
  ...fields,
});

describe("nightjar databases", () => {
  it("lists every page in lines of 80 columns", async () => {
    const { out, code } = await run("databases");
    expect(code).toBe(0);
    const [head, ...lines] = out.trimEnd().split("\n");
    expect(head).toMatch(/^database +from +state +next run +newest backup$/);
    expect(lines.map((line) => line.split(" ")[0])).toEqual(names);
    expect(lines[5]).toMatch(/^acme-005 +default +late +in 3 h +5 h ago$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(asked).toHaveLength(3);
  });

  it("prints what is there before the last page has come", async () => {
    const whole = answers["GET /v1/databases"] as (...to: unknown[]) => void;
    answers["GET /v1/databases"] = (request, response) => {
      if (!request.url!.includes("cursor=400")) return whole(request, response);
      response.statusCode = 503;
      return response.end(JSON.stringify({ detail: "D1 sleeps.", hint: "-", code: "X" }));
    };
    const { out, err, code } = await run("databases");
    expect(out.trimEnd().split("\n")).toHaveLength(401);
    expect([code, err]).toEqual([4, expect.stringContaining("D1 sleeps.")]);
  });

  it("has all of them as JSON", async () => {
    const { out } = await run("databases", "--json");
    const told = JSON.parse(out) as { databases: { name: string }[] };
    expect(told.databases.map(({ name }) => name)).toEqual(names);
  });

  it("takes a Nightjar without pages at its word", async () => {
    answers["GET /v1/databases"] = { databases: fleetOf(3), healthUrl: null };
    expect((await run("databases")).out.trimEnd().split("\n")).toHaveLength(4);
  });
});

describe("other commands", () => {
  it("complete the names of all pages", async () => {
    expect((await run("completion", "databases")).out.trimEnd().split("\n")).toEqual(names);
  });

  it("check all pages for what is not fresh", async () => {
    const { code, err } = await run("status", "--check", "--json");
    expect(code).toBe(1);
    expect(err).toContain("acme-005 is late, acme-210 is late, acme-449 is late.");
  });

  it("name a few of many that are not fresh", async () => {
    databases = databases.map((one) => ({ ...one, state: "none" }));
    const { err } = await run("status", "--check", "--json");
    expect(err).toContain("acme-019 is none, and 430 more are not fresh.");
    expect(err).not.toContain("acme-020");
  });
});

describe("nightjar status", () => {
  it("sums up a large fleet, and shows those that are not fresh", async () => {
    const { out, code } = await run("status");
    expect(code).toBe(0);
    expect(out).toMatch(/^450 databases: 3 late, 447 fresh\.$/m);
    const shown = [...out.matchAll(/^(acme-\d+) /gm)].map(([, name]) => name);
    expect(shown).toEqual(LATE);
    expect(out).toContain("--all lists them all.");
  });

  it("shows all of it where that is asked for", async () => {
    const { out } = await run("status", "--all");
    expect([...out.matchAll(/^(acme-\d+) /gm)].map(([, name]) => name)).toEqual(names);
    expect(out).not.toContain("--all lists");
  });

  it("shows a fleet of 100 as ever", async () => {
    databases = fleetOf(100);
    const { out } = await run("status");
    expect([...out.matchAll(/^(acme-\d+) /gm)]).toHaveLength(100);
  });

  it("tells of a fresh fleet in one line, and of what is wrong besides", async () => {
    databases = databases.map((one) => ({ ...one, state: "fresh" }));
    answers["GET /v1/alerts"] = { incidents: [{ severity: "warning", title: "It is so." }] };
    const { out } = await run("status");
    expect(out).toMatch(/^450 databases: 450 fresh\.$/m);
    expect(out).toContain("It is so.");
    expect(out).not.toContain("acme-");
  });
});

describe("nightjar coverage", () => {
  const LATE_ROW = row("late", { protected: true, why: null, state: "late" });
  const EXCLUDED = row("excluded", { why: "excluded" });

  it("sums up, and tells of each that needs somebody", async () => {
    rows = [row("a", {}), row("b", { why: "group", group: null }), LATE_ROW];
    const { out, code } = await run("coverage");
    expect(code).toBe(0);
    expect(out).toBe(`1 in DATABASES; 250 of acme in Turso (read 2026-11-20 08:00 UTC).
1 is not protected. Turso no longer lists 2 (--all shows them).

a (default): not protected
  Words of a.

b: not protected
  Words of b.

late (default): late
  Words of late.
`);
    expect(asked.every((url) => url.includes("only=unprotected"))).toBe(true);
    expect(asked).toHaveLength(2);
  });

  it("sums up what does not fit on a screen", async () => {
    rows = [...names.slice(0, 9).map((name) => row(name, {})), LATE_ROW];
    expect((await run("coverage")).out).not.toContain("shown");
    rows = [...rows, LATE_ROW];
    expect((await run("coverage")).out).toMatch(/\n\n11 shown: 9 not protected, 2 late\.\n$/);
  });

  it("shows all with --all", async () => {
    rows = [row("lost", { why: "gone" })];
    expect((await run("coverage", "--all")).out).toContain("lost (default): gone\n");
    expect(asked.some((url) => url.includes("only"))).toBe(false);
  });

  it.each([
    ["what is not protected", () => [row("a", {})], {}, 1, "One database is not protected"],
    ["what is not fresh", () => [LATE_ROW, row("a", {})], {}, 1, "2 databases are not protected"],
    [
      "a misconfigured one on a later page",
      () => [EXCLUDED, EXCLUDED, row("a", { why: "misconfigured", state: "misconfigured" })],
      ...[{}, 1, "One database is not protected"],
    ],
    ["nothing that is left out on purpose", () => [EXCLUDED, row("b", { why: "gone" })], {}, 0, ""],
    [
      "a list that is not read",
      () => [],
      { error: { code: "X", message: "No.", hint: "Wait." } },
      1,
      "No.",
    ],
    [
      "a wrong section",
      () => [],
      { mistakes: [{ path: "TURSO.every", fix: "no" }] },
      1,
      "TURSO.every",
    ],
  ] as [string, () => object[], object, number, string][])(
    "fails a check for %s",
    async (_, found, fields, expected, words) => {
      rows = found();
      answers["GET /v1/coverage"] = pageOf(
        () => rows,
        () => ({ ...COVERAGE, ...fields }),
        2,
      );
      for (const json of [[], ["--json"]]) {
        const { code, err, out } = await run("coverage", "--check", ...json);
        expect({ code, err }).toEqual({ code: expected, err: expect.stringContaining(words) });
        if (json.length > 0) expect(JSON.parse(out).databases).toEqual(rows);
      }
    },
  );

  it("reads Turso's list first with --refresh", async () => {
    const none = { count: 0, names: [] };
    answers["POST /v1/discovery"] = (_, response) => {
      asked.push("discovery");
      response.end(
        JSON.stringify({
          listed: 7,
          added: { count: 2, names: ["x", "y"] },
          replaced: none,
          gone: none,
        }),
      );
    };
    answers["GET /v1/coverage"] = pageOf(
      () => rows,
      () => COVERAGE,
    );
    const { err } = await run("coverage", "--refresh");
    expect(err).toContain("Turso lists 7 databases: 2 new, 0 replaced, 0 gone.");
    expect(asked[0]).toBe("discovery");
    answers["POST /v1/discovery"] = (_, response) => {
      response.statusCode = 409;
      response.end(JSON.stringify({ detail: "No list.", hint: "-", code: "TURSO_NOT_CONFIGURED" }));
    };
    expect((await run("coverage", "--refresh")).code).toBe(3);
  });
});

describe("nightjar doctor", () => {
  const sources: string[] = [];
  const SETTINGS = { allowedIps: null, allowedVpcs: null, deleteProtected: true, error: null };

  beforeEach(() => {
    sources.length = 0;
    for (const name of names)
      answers[`GET /v1/databases/${name}/source`] = (_, response) => {
        sources.push(name);
        const turso = { ...SETTINGS, deleteProtected: name !== "acme-005" };
        response.end(JSON.stringify({ ...SOURCE, turso }));
      };
  });
  const findings = async (...args: string[]) =>
    (
      JSON.parse((await run("doctor", ...args, "--json")).out) as {
        findings: Record<string, string>[];
      }
    ).findings;
  const about = (found: Record<string, string>[], name: string) =>
    found.filter((one) => one["about"] === name).map((one) => `${one["level"]}: ${one["message"]}`);

  it("asks 20 servers of a large fleet, and counts what is well", async () => {
    const found = await findings();
    expect(sources.toSorted()).toEqual([...names.slice(0, 18), ...LATE.slice(1)].toSorted());
    expect(about(found, "databases")).toEqual([
      "good: 447 of 450 are as they should be.",
      "unseen: Only 20 of 450 servers were asked, those of databases that are not fresh first.",
    ]);
    expect(about(found, "acme-300")).toEqual([]);
    expect(about(found, "acme-449")).toContain("warning: Its newest backup is late.");
    expect(about(found, "delete protection")).toEqual([
      "warning: It is off in Turso: one command deletes acme-005.",
    ]);
  });

  it("tells of 50 databases one by one, those that are worst first, and counts the others", async () => {
    databases = databases.map((one, at) => ({ ...one, state: at < 430 ? "late" : "corrupt" }));
    const found = await findings();
    const told = new Set(
      found.map((one) => one["about"]).filter((one) => one?.startsWith("acme-")),
    );
    const expected = [...names.slice(0, 30), ...names.slice(430)];
    expect(told).toEqual(new Set(expected));
    expect(about(found, "databases").slice(0, 2)).toEqual([
      "warning: acme-030, acme-031, acme-032, acme-033, acme-034 and 395 more are not as they should be either.",
      "good: 0 of 450 are as they should be.",
    ]);
    databases = databases.map((one) => ({ ...one, state: "corrupt" }));
    expect(about(await findings(), "databases")[0]).toMatch(/^problem: acme-050, .* 395 more/);
  });

  it("asks every server of a fleet of 100", async () => {
    databases = fleetOf(100);
    const found = await findings();
    expect(sources).toHaveLength(100);
    expect(about(found, "databases")).toEqual([]);
    expect(about(found, "acme-042").length).toBeGreaterThan(1);
  });

  it("tells what is not protected, from all pages", async () => {
    databases = fleetOf(1);
    rows = [row("a", {}), row("b", {}), row("c", { why: "excluded" })];
    expect(about(await findings(), "coverage")).toEqual([
      "warning: a and b are not protected, of 250 that Turso lists.",
      "good: `exclude` of TURSO leaves out c.",
    ]);
  });

  it("goes on where the coverage is not for it to see, or not there yet", async () => {
    databases = fleetOf(1);
    for (const [statusCode, code] of [
      [403, "FORBIDDEN"],
      [404, "NOT_FOUND"],
    ] as const) {
      answers["GET /v1/coverage"] = (_, response) => {
        response.statusCode = statusCode;
        response.end(JSON.stringify({ detail: "Not for you.", hint: "-", code }));
      };
      expect(about(await findings(), "coverage")).toEqual(["unseen: Not for you."]);
    }
  });
});
