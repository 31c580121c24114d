import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE, parseDuration } from "../../src/plan/duration.ts";
import { freshness, type Known } from "../../src/plan/freshness.ts";
import { lifecycleRules } from "../../src/plan/lifecycle.ts";
import { judge, type Kept } from "../../src/plan/retention.ts";
import { dueMoment, isLate, nextMoment } from "../../src/plan/schedule.ts";
import { DEFAULT_RETENTION, type Retention, scheduledTier, TIERS } from "../../src/plan/tier.ts";

const at = (iso: string) => Date.parse(iso);

describe("durations", () => {
  it("reads every unit, and nothing else", () => {
    expect(["90s", "5m", "24h", "30d", "12w", "12mo", "1y"].map(parseDuration)).toEqual([
      90_000,
      5 * MINUTE,
      DAY,
      30 * DAY,
      84 * DAY,
      372 * DAY,
      366 * DAY,
    ]);
    for (const wrong of ["", "30", "d", "0d", "-1d", "1.5d", "30 d", "1M", "1d2h", "9999999d"])
      expect(parseDuration(wrong), wrong).toBeUndefined();
  });
});

describe("what is due", () => {
  const nightly = "0 0 * * *";

  it("is the latest moment since the last look, the moment itself included", () => {
    const midnight = at("2026-11-21T00:00:00Z");
    expect(dueMoment(nightly, midnight - 1, midnight)).toBe(midnight);
    expect(dueMoment(nightly, midnight, midnight)).toBeUndefined();
    expect(dueMoment(nightly, midnight - 1, midnight + 5 * HOUR)).toBe(midnight);
    expect(dueMoment(nightly, midnight - 1, midnight - 1)).toBeUndefined();
  });

  it("catches up once, however many were missed", () => {
    expect(dueMoment(nightly, at("2026-11-01T00:00:00Z"), at("2026-11-21T09:00:00Z"))).toBe(
      at("2026-11-21T00:00:00Z"),
    );
  });

  it("is at once for a database that was never looked at", () => {
    expect(dueMoment(nightly, undefined, at("2026-11-21T09:00:00Z"))).toBe(
      at("2026-11-21T00:00:00Z"),
    );
  });

  it("takes Sunday for 0, 7 and SUN", () => {
    for (const day of ["0", "7", "SUN"])
      expect(nextMoment(`0 3 * * ${day}`, at("2026-11-21T09:00:00Z"))).toBe(
        at("2026-11-22T03:00:00Z"),
      );
  });

  it("never doubles and never misses a moment over any series of looks", () => {
    const schedule = fc.constantFrom("0 0 * * *", "*/7 * * * *", "30 2 * * 1", "0 0 1 * *");
    const gaps = fc.array(fc.integer({ min: 1, max: 3 * DAY }), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(schedule, gaps, (cron, waits) => {
        let now = at("2026-01-30T23:59:30Z");
        let last = now;
        const taken: number[] = [];
        for (const wait of waits) {
          now += wait;
          const due = dueMoment(cron, last, now);
          const first = nextMoment(cron, last)!;
          expect(due === undefined).toBe(first > now); // something is due just when a moment passed
          if (due !== undefined) {
            expect(due).toBeLessThanOrEqual(now);
            expect(due).toBeGreaterThan(last);
            expect(nextMoment(cron, due)!).toBeGreaterThan(now); // and it is the latest
            taken.push(due);
          }
          last = now;
        }
        expect(new Set(taken).size).toBe(taken.length);
      }),
    );
  });
});

describe("tiers of scheduled backups", () => {
  /** The tiers that a nightly schedule gives from one date on. */
  const nights = (from: string, count: number, retention: Retention = DEFAULT_RETENTION) => {
    let previous: number | undefined;
    return Array.from({ length: count }, (_, night) => {
      const moment = at(from) + night * DAY;
      const tier = scheduledTier(moment, previous, retention);
      previous = moment;
      return tier;
    });
  };

  it("are monthly for the first of a month, weekly from Sunday, otherwise daily", () => {
    // 2026-11-01 is a Sunday.
    const tiers = nights("2026-11-01T00:00:00Z", 31);
    expect(tiers[0]).toBe("monthly");
    expect(tiers[7]).toBe("weekly");
    expect(tiers[14]).toBe("weekly");
    expect(tiers[30]).toBe("monthly"); // 1 December
    expect(tiers.filter((tier) => tier === "daily")).toHaveLength(31 - 2 - 4);
  });

  it("pass to the next backup when the first night fails", () => {
    expect(
      scheduledTier(at("2026-11-02T00:00:00Z"), at("2026-10-31T00:00:00Z"), DEFAULT_RETENTION),
    ).toBe("monthly");
    expect(
      scheduledTier(at("2026-11-10T00:00:00Z"), at("2026-11-07T00:00:00Z"), DEFAULT_RETENTION),
    ).toBe("weekly");
  });

  it("are hourly and yearly only where the policy names them", () => {
    const retention = { ...DEFAULT_RETENTION, hourly: 2 * DAY, yearly: 3 * 366 * DAY };
    const tier = (moment: string, previous: string) =>
      scheduledTier(at(moment), at(previous), retention);
    expect(tier("2026-11-03T05:00:00Z", "2026-11-03T04:00:00Z")).toBe("hourly");
    expect(tier("2026-11-03T00:00:00Z", "2026-11-02T23:00:00Z")).toBe("daily");
    expect(tier("2026-01-01T00:00:00Z", "2025-12-31T23:00:00Z")).toBe("yearly");
  });
});

describe("retention", () => {
  const kept = fc.record({
    id: fc.uuid(),
    database: fc.constantFrom("shop", "blog", "gone"),
    tier: fc.constantFrom(...TIERS),
    takenAt: fc.integer({ min: 0, max: 800 * DAY }),
  });
  const policies = new Map<string, Retention>([
    ["shop", DEFAULT_RETENTION],
    ["blog", { ...DEFAULT_RETENTION, daily: 7 * DAY }],
  ]);

  it("keeps just what the policy keeps, and the newest of each database whatever its age", () => {
    fc.assert(
      fc.property(fc.array(kept), fc.integer({ min: 0, max: 2000 * DAY }), (backups, now) => {
        const verdicts = judge(backups, policies, now);
        expect(verdicts.map(({ backup }) => backup)).toEqual(backups);
        for (const { backup, keep } of verdicts) {
          const age = policies.get(backup.database)?.[backup.tier];
          if (age === undefined || now < backup.takenAt + age) expect(keep).toBe(true);
        }
        for (const name of new Set(backups.map(({ database }) => database))) {
          const own = verdicts.filter(({ backup }) => backup.database === name);
          const newest = Math.max(...own.map(({ backup }) => backup.takenAt));
          const survivors = own.filter(({ keep }) => keep).map(({ backup }) => backup.takenAt);
          expect(Math.max(...survivors)).toBe(newest);
          const overdue = own.filter(({ backup }) => {
            const age = policies.get(name)?.[backup.tier];
            return age !== undefined && now >= backup.takenAt + age;
          });
          expect(overdue.filter(({ keep }) => keep).length).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("is what the lifecycle rules say, never sooner", () => {
    const logMs = 7 * DAY;
    const databases = new Map(
      [...policies].map(([name, retention]) => [name, { retention, logMs }]),
    );
    const { rules } = lifecycleRules(databases);
    const backup = (tier: Kept["tier"]): Kept => ({ id: "a", database: "blog", tier, takenAt: 0 });
    const newer: Kept = { id: "b", database: "blog", tier: "dev", takenAt: 900 * DAY };
    for (const tier of Object.keys(DEFAULT_RETENTION) as Kept["tier"][]) {
      const rule = rules.find(({ conditions }) => conditions.prefix === `${tier}/blog/`)!;
      const deleted = rule.deleteObjectsTransition!.condition.maxAge * 1000;
      expect(judge([backup(tier), newer], policies, deleted - 1)[0]!.keep, tier).toBe(true);
      expect(judge([backup(tier), newer], policies, deleted)[0]!.keep, tier).toBe(false);
    }
    expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
  });
});

describe("freshness", () => {
  it("tells late from fresh by the schedule, an hour of grace included", () => {
    const taken = at("2026-11-20T00:02:00Z");
    expect(isLate("0 0 * * *", taken, at("2026-11-21T01:00:00Z"))).toBe(false);
    expect(isLate("0 0 * * *", taken, at("2026-11-21T01:00:01Z"))).toBe(true);
    const good = { newest: { takenAt: taken, bad: false }, proven: taken, lastRunFailed: false };
    const state = (known: Known, now: number) => freshness("0 0 * * *", known, now);
    expect(state(good, taken + HOUR)).toBe("fresh");
    expect(state(good, taken + 3 * DAY)).toBe("late");
    expect(state({ ...good, lastRunFailed: true }, taken + HOUR)).toBe("failed");
    const nothing = { newest: undefined, proven: undefined, lastRunFailed: false };
    expect(state(nothing, taken)).toBe("none");
    expect(state({ ...nothing, lastRunFailed: true }, taken)).toBe("failed");
  });

  it("takes nothing for fresh that is not known to be good", () => {
    const newest = { takenAt: at("2026-11-20T00:02:00Z"), bad: false };
    const state = (known: Partial<Known>, now: string) =>
      freshness(
        "0 0 * * *",
        { newest, proven: undefined, lastRunFailed: false, ...known },
        at(now),
      );
    const night = "2026-11-20T00:03:00Z";
    expect(state({}, night)).toBe("unproven");
    // While the newest is read back, the one of the night before is as new as it should be.
    expect(state({ proven: at("2026-11-19T00:02:00Z") }, night)).toBe("fresh");
    expect(state({ proven: at("2026-11-19T00:02:00Z") }, "2026-11-20T01:03:00Z")).toBe("unproven");
    expect(state({ newest: { ...newest, bad: true }, lastRunFailed: true }, night)).toBe("corrupt");
  });
});
