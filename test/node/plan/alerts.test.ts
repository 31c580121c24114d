import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Problem, Rule, Severity } from "../../../src/plan/alerts/alert.ts";
import { changesOf, type Incident, problemKey } from "../../../src/plan/alerts/incidents.ts";
import { problemsOf, type WatchFacts } from "../../../src/plan/alerts/problems.ts";
import { isQuiet, type Route, takes } from "../../../src/plan/alerts/route.ts";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { recoveryPoint, recoveryTime } from "../../../src/plan/objectives.ts";

const MIDNIGHT = Date.UTC(2026, 10, 20);
const NONE = {
  objective: undefined,
  measured: undefined,
  predicted: undefined,
  state: "none",
} as const;

function facts(changes: Partial<WatchFacts> = {}): WatchFacts {
  return {
    ...{ name: "shop", schedule: "0 0 * * *", delay: 0, mistakes: [], firstSeenAt: MIDNIGHT },
    limits: {
      ...{
        ageMs: undefined,
        sizePercent: [20, 50],
        rowsPercent: [20, 50],
        logBytes: 1e10,
        off: [],
      },
    },
    newest: { id: "b1", takenAt: MIDNIGHT },
    verifiedAt: MIDNIGHT,
    lastFinished: { id: "r1", failed: false, error: null },
    ...{ bad: [], comparison: undefined, copyError: undefined, pinned: 0, keepLast: 0 },
    refresh: undefined,
    ...{ follow: undefined, logBytes: 0, tokenExpiresAt: undefined },
    ...{ recoveryPoint: NONE, recoveryTime: NONE },
    ...changes,
  };
}

/** The rules that raise an alert, with their severities. */
function alertsAt(now: number, changes: Partial<WatchFacts> = {}): string[] {
  return problemsOf(facts(changes), now).map(({ rule, severity }) => `${rule} ${severity}`);
}

describe("what is wrong with a database", () => {
  it("is nothing while everything is as it should be", () => {
    expect(alertsAt(MIDNIGHT + 12 * HOUR)).toEqual([]);
  });

  it("is a backup that is 25 hours old, and critically one of 48", () => {
    const late = (age: number) => alertsAt(MIDNIGHT + age, { verifiedAt: MIDNIGHT });
    expect(late(25 * HOUR)).toEqual([]);
    expect(late(25 * HOUR + 1)).toEqual(["late warning"]);
    expect(late(48 * HOUR)).toEqual(["late warning"]);
    expect(late(48 * HOUR + 1)).toEqual(["late critical"]);
  });

  it("is a late backup by its own schedule, or by ages of its own", () => {
    const hourly = { schedule: "0 * * * *" };
    expect(alertsAt(MIDNIGHT + 2 * HOUR, hourly)).toEqual([]);
    expect(alertsAt(MIDNIGHT + 2 * HOUR + 1, hourly)).toEqual(["late warning"]);
    expect(alertsAt(MIDNIGHT + 3 * HOUR + 1, hourly)).toEqual(["late critical"]);
    expect(alertsAt(MIDNIGHT + 2 * DAY, { schedule: "0 0 * * SUN" })).toEqual([]);
    const limits = { ...facts().limits, ageMs: [3 * HOUR, 6 * HOUR] as const };
    expect(alertsAt(MIDNIGHT + 3 * HOUR + 1, { limits })).toEqual(["late warning"]);
    expect(alertsAt(MIDNIGHT + 6 * HOUR + 1, { limits })).toEqual(["late critical"]);
    expect(alertsAt(MIDNIGHT + 2 * DAY, { newest: undefined, verifiedAt: undefined })).toEqual([
      "late warning",
    ]);
  });

  it.each<[number, string[]]>([
    [1_200_000, []],
    [1_200_001, ["size-changed warning"]],
    [1_500_001, ["size-changed critical"]],
    [800_000, []],
    [799_999, ["size-changed warning"]],
    [499_999, ["size-changed critical"]],
    [0, ["size-changed critical"]],
  ])("is a size of %i bytes after a million: %s", (bytes, alerts) => {
    const comparison = { before: { id: "b0", bytes: 1_000_000 }, bytes, losses: [] };
    expect(alertsAt(MIDNIGHT, { comparison })).toEqual(alerts);
  });

  it("is no size of a small database", () => {
    const comparison = { before: { id: "b0", bytes: 8192 }, bytes: 65_536, losses: [] };
    expect(alertsAt(MIDNIGHT, { comparison })).toEqual([]);
  });

  it.each<[number, number | null, string[]]>([
    [1000, 800, []],
    [1000, 799, ["rows-dropped warning"]],
    [1000, 499, ["rows-dropped critical"]],
    [1000, null, ["rows-dropped critical"]],
    [9, 0, []],
    [10, 0, ["rows-dropped critical"]],
  ])("is a table that had %i rows and has %s: %s", (before, after, alerts) => {
    const losses = [
      { table: "quiet", before: 100, after: 99 },
      { table: "orders", before, after },
    ];
    const comparison = { before: { id: "b0", bytes: 1 }, bytes: 1, losses };
    expect(alertsAt(MIDNIGHT, { comparison })).toEqual(alerts);
    const [problem] = problemsOf(facts({ comparison }), MIDNIGHT);
    if (problem !== undefined) expect(problem.summary).toContain("Table orders of shop");
  });

  it("is a log that missed five pulls at its slowest pace, or five minutes", () => {
    const follow = (pace: number) => ({
      follow: { pace, checkedAt: MIDNIGHT, error: undefined },
    });
    expect(alertsAt(MIDNIGHT + 5 * MINUTE, follow(10_000))).toEqual([]);
    expect(alertsAt(MIDNIGHT + 5 * MINUTE + 1, follow(10_000))).toEqual(["log-behind warning"]);
    expect(alertsAt(MIDNIGHT + 20 * MINUTE, follow(MINUTE))).toEqual([]);
    expect(alertsAt(MIDNIGHT + 20 * MINUTE + 1, follow(MINUTE))).toEqual(["log-behind warning"]);
    expect(alertsAt(MIDNIGHT + 80 * MINUTE + 1, follow(MINUTE))).toEqual(["log-behind critical"]);
  });

  it("is a token that expires", () => {
    const expires = (left: number) => alertsAt(MIDNIGHT, { tokenExpiresAt: MIDNIGHT + left });
    expect(expires(14 * DAY + 1)).toEqual([]);
    expect(expires(14 * DAY)).toEqual(["token-expiring warning"]);
    expect(expires(3 * DAY)).toEqual(["token-expiring critical"]);
    expect(expires(-1)).toEqual(["token-expiring critical"]);
  });

  it("is everything else that is told of", () => {
    const error = { code: "SOURCE_TIMEOUT", message: "It stalled.", hint: "Look." };
    const failed = { lastFinished: { id: "r", failed: true, error } };
    expect(alertsAt(MIDNIGHT, failed)).toEqual(["run-failed critical"]);
    const [b1, b0] = ["b1", "b0"].map((id) => ({ id, foundAt: MIDNIGHT }));
    expect(alertsAt(MIDNIGHT, { bad: [b1!, b0!] })).toEqual([
      ...["proof-failed critical", "proof-failed warning"],
    ]);
    expect(alertsAt(MIDNIGHT, { bad: [b0!] })).toEqual(["proof-failed warning"]);
    const later = {
      newest: { id: "b1", takenAt: MIDNIGHT + 3 * DAY },
      verifiedAt: MIDNIGHT + 3 * DAY,
    };
    expect(alertsAt(MIDNIGHT + 3 * DAY - 1, { bad: [b0!], ...later })).toEqual([
      "proof-failed warning",
    ]);
    expect(alertsAt(MIDNIGHT + 3 * DAY, { bad: [b0!], ...later })).toEqual([]);
    expect(alertsAt(MIDNIGHT + 3 * DAY, { bad: [b1!], ...later })).toEqual([
      "proof-failed critical",
    ]);
    const unread = { newest: { id: "b2", takenAt: MIDNIGHT + DAY } };
    expect(alertsAt(MIDNIGHT + 25 * HOUR + 1, unread)).toEqual(["unverified warning"]);
    expect(alertsAt(MIDNIGHT, { logBytes: 1e10 + 1 })).toEqual(["log-large warning"]);
    expect(alertsAt(MIDNIGHT, { copyError: "no" })).toEqual(["copy-failed warning"]);
    const refresh = { into: "staging", createdAt: MIDNIGHT, error: null };
    const refreshed = (state: "queued" | "running" | "done" | "failed", now = MIDNIGHT) =>
      alertsAt(now, { refresh: { ...refresh, state } });
    expect(refreshed("failed")).toEqual(["refresh-failed warning"]);
    expect(refreshed("running", MIDNIGHT + 6 * HOUR)).toEqual([]);
    expect(refreshed("running", MIDNIGHT + 6 * HOUR + 1)).toEqual(["refresh-failed warning"]);
    expect(refreshed("queued", MIDNIGHT + 6 * HOUR + 1)).toEqual(["refresh-failed warning"]);
    expect(refreshed("done", MIDNIGHT + 9 * HOUR)).toEqual([]);
    expect(alertsAt(MIDNIGHT, { pinned: 1 })).toEqual(["retention-pinning warning"]);
    expect(alertsAt(MIDNIGHT, { pinned: 1, keepLast: 7 })).toEqual([]);
    const mistakes = [{ path: "DATABASES.shop.url", fix: "is missing" }];
    // Nothing else is told of what a wrong entry brings about.
    expect(alertsAt(MIDNIGHT + 9 * DAY, { mistakes, ...failed, verifiedAt: MIDNIGHT })).toEqual([
      "misconfigured critical",
    ]);
    const limits = { ...facts().limits, off: ["copy-failed"] };
    expect(alertsAt(MIDNIGHT, { copyError: "no", limits })).toEqual([]);
  });
});

describe("an objective", () => {
  it("is met, at risk or missed by what was measured and what is expected", () => {
    const point = (restorableAt: number | undefined, nextAt: number | undefined) =>
      recoveryPoint({ objective: HOUR, restorableAt, nextAt }, MIDNIGHT);
    expect(point(undefined, MIDNIGHT)).toMatchObject({ state: "unknown" });
    expect(point(MIDNIGHT - 30 * MINUTE, MIDNIGHT + 10 * MINUTE)).toEqual({
      ...{ objective: HOUR, measured: 30 * MINUTE, predicted: 40 * MINUTE, state: "met" },
    });
    expect(point(MIDNIGHT - 30 * MINUTE, MIDNIGHT + 31 * MINUTE)).toMatchObject({
      state: "at-risk",
    });
    expect(point(MIDNIGHT - HOUR - 1, undefined)).toMatchObject({ state: "missed" });
    expect(recoveryPoint({ objective: undefined, restorableAt: 0, nextAt: 1 }, 5)).toMatchObject({
      ...{ measured: 5, state: "none" },
    });
    const time = (bytes: number) =>
      recoveryTime({ objective: 1000, drill: { recoveryMs: 800, bytes: 100 }, bytes });
    expect(time(100)).toMatchObject({ measured: 800, predicted: 800, state: "met" });
    expect(time(200)).toMatchObject({ predicted: 1600, state: "at-risk" });
    expect(time(10)).toMatchObject({ predicted: 800, state: "met" });
  });

  it("raises an alert when it is at risk, and a critical one when it is missed", () => {
    const missed = { objective: HOUR, measured: 2 * HOUR, predicted: 3 * HOUR };
    const recoveryPointOf = (state: "missed" | "at-risk" | "met" | "unknown") => ({
      recoveryPoint: { ...missed, state },
    });
    expect(alertsAt(MIDNIGHT, recoveryPointOf("missed"))).toEqual(["objective critical"]);
    expect(alertsAt(MIDNIGHT, recoveryPointOf("at-risk"))).toEqual(["objective warning"]);
    expect(alertsAt(MIDNIGHT, recoveryPointOf("met"))).toEqual([]);
    expect(alertsAt(MIDNIGHT, recoveryPointOf("unknown"))).toEqual([]);
  });
});

function route(changes: Partial<Route> = {}): Route {
  return {
    ...{ name: "ops", databases: undefined, severity: "warning", rules: undefined },
    ...{ quiet: undefined, timezone: "UTC", remindMs: DAY },
    ...changes,
  };
}

function problem(changes: Partial<Problem> = {}): Problem {
  return {
    ...{ rule: "late", severity: "warning", database: "shop", subject: "" },
    ...{ summary: "It is late.", hint: "Look." },
    ...changes,
  };
}

describe("a channel", () => {
  it.each<[Partial<Route>, Partial<Problem>, boolean]>([
    [{}, {}, true],
    [{ databases: ["shop"] }, {}, true],
    [{ databases: ["blog", "sh*"] }, {}, true],
    [{ databases: ["s*p"] }, {}, true],
    [{ databases: ["sh*op*"] }, {}, true],
    [{ databases: ["shop*shop"] }, {}, false],
    [{ databases: ["hop"] }, {}, false],
    [{ databases: ["blog"] }, {}, false],
    [{ databases: ["blog"] }, { database: null }, true],
    [{ databases: [] }, {}, false],
    [{ severity: "critical" }, {}, false],
    [{ severity: "critical" }, { severity: "critical" }, true],
    [{ rules: ["run-failed"] }, {}, false],
    [{ rules: ["late"] }, {}, true],
    [{}, { rule: "channel-down", database: null, subject: "ops" }, false],
    [{}, { rule: "channel-down", database: null, subject: "other" }, true],
  ])("of %o takes %o: %s", (changes, about, taken) => {
    expect(takes(route(changes), problem(about))).toBe(taken);
  });

  it("is quiet in its hours, by the clock of its time zone", () => {
    const quiet = (hours: string, timezone: string, at: string) =>
      isQuiet({ quiet: hours, timezone }, Date.parse(at));
    expect(quiet("22:00-07:00", "UTC", "2026-11-20T21:59:00Z")).toBe(false);
    expect(quiet("22:00-07:00", "UTC", "2026-11-20T22:00:00Z")).toBe(true);
    expect(quiet("22:00-07:00", "UTC", "2026-11-20T00:00:00Z")).toBe(true);
    expect(quiet("22:00-07:00", "UTC", "2026-11-20T07:00:00Z")).toBe(false);
    expect(quiet("12:00-13:00", "UTC", "2026-11-20T12:30:00Z")).toBe(true);
    // Berlin is an hour ahead in winter, and two in summer.
    expect(quiet("22:00-07:00", "Europe/Berlin", "2026-11-20T21:00:00Z")).toBe(true);
    expect(quiet("22:00-07:00", "Europe/Berlin", "2026-07-20T20:00:00Z")).toBe(true);
    expect(quiet("22:00-07:00", "Europe/Berlin", "2026-11-20T20:59:00Z")).toBe(false);
    expect(isQuiet({ quiet: undefined, timezone: "UTC" }, MIDNIGHT)).toBe(false);
  });
});

/** The problems of each look, as the severity of each that is there. */
const looks = fc.array(
  fc.dictionary(
    fc.constantFrom<Rule>("late", "run-failed", "size-changed"),
    fc.constantFrom<Severity>("warning", "critical"),
    { noNullPrototype: true },
  ),
  { maxLength: 40 },
);

describe("incidents", () => {
  it("tell each channel of a beginning and an end, in turn, whatever happens", () => {
    fc.assert(
      fc.property(looks, (history) => {
        const routes = [
          route({ name: "all" }),
          route({ name: "critical", severity: "critical", remindMs: 2 * HOUR }),
        ];
        let open: Incident[] = [];
        const told: Record<string, string[]> = {};
        [...history, {}].forEach((look, hour) => {
          const now = MIDNIGHT + hour * HOUR;
          const problems = Object.entries(look).map(([rule, severity]) =>
            problem({ rule: rule as Rule, severity }),
          );
          for (const change of changesOf(open, problems, routes, () => true, now)) {
            const key = problemKey(change.problem);
            for (const { channel, kind } of change.tell)
              (told[`${channel} ${key}`] ??= []).push(kind);
            const channels = change.tell.map(({ channel }) => channel);
            open = open.filter((incident) => problemKey(incident) !== key);
            if (change.does === "close") continue;
            const before = change.does === "open" ? undefined : change.incident;
            open.push({
              ...change.problem,
              ...{ id: key, closedAt: null, openedAt: before?.openedAt ?? now, remindedAt: now },
              told: [...new Set([...(before?.told ?? []), ...channels])],
            });
          }
        });
        expect(open).toEqual([]);
        for (const [who, kinds] of Object.entries(told)) {
          // A reminder may be the first that a new channel hears; here, the channels were there all the time.
          const text = kinds.join(" ");
          expect(text, who).toMatch(/^(opened (reminder |worse )*closed ?)*$/);
          expect(text, who).not.toMatch(/worse (reminder )*worse/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("become critical once, and are not told of again when they become less severe", () => {
    const told = (before: Severity, now: Severity) =>
      changesOf(
        [
          {
            ...problem({ severity: before }),
            ...{ id: "i", openedAt: MIDNIGHT, closedAt: null, remindedAt: MIDNIGHT, told: ["ops"] },
          },
        ],
        [problem({ severity: now })],
        [route()],
        () => true,
        MIDNIGHT + HOUR,
      );
    expect(told("warning", "critical")).toMatchObject([
      {
        does: "update",
        tell: [{ channel: "ops", kind: "worse" }],
        problem: { severity: "critical" },
      },
    ]);
    expect(told("critical", "warning")).toEqual([]);
    expect(told("critical", "critical")).toEqual([]);
  });

  it("are told of, while they are open, to a channel that did not hear of them", () => {
    const incident = {
      ...problem(),
      ...{ id: "i", openedAt: MIDNIGHT, closedAt: null, remindedAt: MIDNIGHT, told: ["ops"] },
    };
    const routes = [route(), route({ name: "new", remindMs: undefined })];
    expect(changesOf([incident], [problem()], routes, () => true, MIDNIGHT + HOUR)).toMatchObject([
      { does: "update", tell: [{ channel: "new", kind: "opened" }] },
    ]);
  });

  it("stay open while nothing is known of their database", () => {
    const incident = {
      ...problem(),
      ...{ id: "i", openedAt: 0, closedAt: null, remindedAt: MIDNIGHT, told: ["ops"] },
    };
    expect(changesOf([incident], [], [route()], () => false, MIDNIGHT)).toEqual([]);
    expect(changesOf([incident], [], [route()], () => true, MIDNIGHT)).toMatchObject([
      { does: "close", tell: [{ channel: "ops", kind: "closed" }] },
    ]);
  });
});
