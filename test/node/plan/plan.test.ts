import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE, parseDuration } from "../../../src/plan/duration.ts";
import { freshness, type Known } from "../../../src/plan/freshness.ts";
import { lifecycleAge, lifecycleRules } from "../../../src/plan/lifecycle.ts";
import { lockRules } from "../../../src/plan/locks.ts";
import { pinMargin, pinsDue, pinsOver } from "../../../src/plan/pins.ts";
import { judge, type Kept, type Policy } from "../../../src/plan/retention.ts";
import { dueMoment, isLate, nextMoment } from "../../../src/plan/schedule.ts";
import {
  DEFAULT_RETENTION,
  FOREVER,
  type Retention,
  scheduledTier,
  type Tier,
  TIERS,
} from "../../../src/plan/tier.ts";

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
          expect(due === undefined).toBe(first > now); // something is due exactly when a moment has passed
          if (due !== undefined) {
            expect(due).toBeLessThanOrEqual(now);
            expect(due).toBeGreaterThan(last);
            expect(nextMoment(cron, due)!).toBeGreaterThan(now); // and it is the latest one
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
  /** List the tiers that a nightly schedule produces from a date on. */
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

/** A backup of `blog`, taken on a day. */
const taken = (days: number, tier: Tier, more: Partial<Kept> = {}): Kept => ({
  id: `${tier}-${days}`,
  database: "blog",
  tier,
  takenAt: days * DAY,
  verification: null,
  pin: null,
  ...more,
});
const policy = (retention: Retention, keepLast = 0): ReadonlyMap<string, Policy> =>
  new Map([["blog", { retention, keepLast }]]);
/** List the ids that are kept on a given day. */
const kept = (backups: Kept[], policies: ReadonlyMap<string, Policy>, day: number) =>
  judge(backups, policies, day * DAY)
    .filter(({ keep }) => keep)
    .map(({ backup }) => backup.id);

describe("retention", () => {
  it("keeps by age, and the newest of each tier whatever its age", () => {
    const backups = [taken(1, "daily"), taken(2, "daily"), taken(3, "weekly"), taken(4, "weekly")];
    const policies = policy({ daily: 10 * DAY, weekly: 20 * DAY });
    expect(kept(backups, policies, 10.9)).toHaveLength(4);
    expect(kept(backups, policies, 11)).toEqual(["daily-2", "weekly-3", "weekly-4"]);
    expect(kept(backups, policies, 5000)).toEqual(["daily-2", "weekly-4"]);
  });

  it("never takes a corrupt backup as the newest, and keeps it for its age as evidence", () => {
    const corrupt = taken(3, "daily", { verification: "corrupt" });
    const backups = [taken(1, "daily"), taken(2, "daily"), corrupt];
    const policies = policy({ daily: 10 * DAY }, 1);
    expect(kept(backups, policies, 12.9)).toEqual(["daily-2", "daily-3"]);
    expect(kept(backups, policies, 13)).toEqual(["daily-2"]);
    expect(kept([corrupt], policies, 13)).toEqual([]);
  });

  it("keeps the newest verified of each tier beside the newest that is not proven yet", () => {
    const proven = taken(1, "daily", { verification: "verified" });
    const backups = [taken(0, "daily"), proven, taken(2, "daily")];
    expect(kept(backups, policy({ daily: DAY }), 100)).toEqual(["daily-1", "daily-2"]);
  });

  it("keeps the last N good ones of a database, over all its tiers", () => {
    const backups = [
      ...[1, 2, 3].map((day) => taken(day, "daily")),
      taken(4, "dev", { verification: "corrupt" }),
      taken(5, "manual"),
    ];
    const ages = { daily: DAY, manual: DAY, dev: DAY };
    expect(kept(backups, policy(ages, 2), 100)).toEqual(["daily-3", "manual-5"]);
    expect(kept(backups, policy(ages, 3), 100)).toEqual(["daily-2", "daily-3", "manual-5"]);
  });

  it("keeps for ever what it is told to, what has no age, what is pinned, and what is not configured", () => {
    const backups = [
      ...[1, 2].map((day) => taken(day, "manual")),
      ...[1, 2].map((day) => taken(day, "hourly")),
      taken(1, "daily", { pin: "user" }),
      taken(2, "daily", { pin: "policy" }),
      taken(3, "daily"),
    ];
    const policies = policy({ manual: FOREVER, daily: DAY });
    expect(kept(backups, policies, 9000)).toHaveLength(6);
    expect(kept(backups, policies, 9000)).not.toContain("daily-2");
    expect(kept(backups, new Map(), 9000)).toHaveLength(7);
  });

  it("says why, and until when", () => {
    const backups = [
      taken(0, "daily"),
      taken(1, "daily", { verification: "verified" }),
      taken(2, "daily", { verification: "corrupt" }),
      taken(3, "daily"),
    ];
    const reasons = judge(backups, policy({ daily: 2 * DAY }, 1), 3.5 * DAY);
    expect(reasons.map(({ reason }) => reason)).toEqual([
      "past the age of daily backups (1970-01-03)",
      "past the age of daily backups (1970-01-04), kept as the newest verified daily backup until a newer one takes its place",
      "found corrupt; in the age of daily backups until 1970-01-05",
      "in the age of daily backups until 1970-01-06, then as the newest good daily backup and one of the newest 1 until a newer one takes its place",
    ]);
  });
});

describe("the rules of the bucket", () => {
  const logMs = 7 * DAY;
  const rules = (retention: Retention, lockMs?: number) => {
    const databases = new Map([["blog", { retention, logMs, lockMs }]]);
    const of = <R>(all: R[], prefix: (rule: R) => string) =>
      new Map(all.map((rule) => [prefix(rule), rule]));
    return {
      lifecycle: of(lifecycleRules(databases).rules, ({ conditions }) => conditions.prefix),
      locks: of(lockRules(databases).rules, ({ prefix }) => prefix),
    };
  };

  it("delete what the policy lets go, never sooner, and nothing that is kept for ever or pinned", () => {
    const retention = { ...DEFAULT_RETENTION, hourly: 12 * HOUR, manual: FOREVER };
    const { lifecycle } = rules(retention);
    for (const [tier, age] of Object.entries(retention)) {
      const rule = lifecycle.get(`${tier}/blog/`)!;
      const seconds = rule.deleteObjectsTransition?.condition.maxAge;
      if (tier === "manual") expect(seconds).toBeUndefined();
      else expect(seconds! * 1000, tier).toBe(Math.max(age, 4 * DAY));
    }
    for (const prefix of lifecycle.keys()) expect(prefix).not.toMatch(/^pinned/);
    expect(new Set([...lifecycle.values()].map(({ id }) => id)).size).toBe(lifecycle.size);
  });

  it("move to Infrequent Access after 30 days what stays there for 30 more at least", () => {
    const { lifecycle } = rules({
      daily: 60 * DAY - 1000,
      weekly: 60 * DAY,
      monthly: 366 * DAY,
      manual: FOREVER,
    });
    const cold = (tier: string) => lifecycle.get(`${tier}/blog/`)!.storageClassTransitions;
    expect(cold("daily")).toBeUndefined();
    for (const tier of ["weekly", "monthly", "manual"])
      expect(cold(tier)).toEqual([
        { condition: { type: "Age", maxAge: 30 * 86_400 }, storageClass: "InfrequentAccess" },
      ]);
    expect(lifecycle.get("log/blog/")!.storageClassTransitions).toBeUndefined();
  });

  it("lock the tiers where it is asked for, never longer than the lifecycle or the policy keeps", () => {
    const retention = { hourly: 12 * HOUR, daily: 30 * DAY, manual: FOREVER };
    const { locks } = rules(retention, 7 * DAY);
    expect([...locks].map(([prefix, { condition }]) => [prefix, condition])).toEqual([
      ["hourly/blog/", { type: "Age", maxAgeSeconds: 43_200 }],
      ["daily/blog/", { type: "Age", maxAgeSeconds: 604_800 }],
      ["manual/blog/", { type: "Age", maxAgeSeconds: 604_800 }],
    ]);
    expect(rules(retention).locks.size).toBe(0);
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...TIERS), fc.integer({ min: 1000, max: 1000 * DAY })),
        fc.integer({ min: 1000, max: 1000 * DAY }),
        (ages, lockMs) => {
          const made = rules(ages, lockMs);
          for (const [prefix, { condition }] of made.locks) {
            const rule = made.lifecycle.get(prefix)!.deleteObjectsTransition!;
            expect(condition.maxAgeSeconds).toBeLessThanOrEqual(rule.condition.maxAge);
            const age = ages[prefix.split("/")[0]! as Tier]!;
            expect(condition.maxAgeSeconds * 1000).toBeLessThanOrEqual(age);
          }
          expect(made.locks.size).toBeLessThan(made.lifecycle.size);
        },
      ),
    );
  });
});

describe("pins", () => {
  const due = (backups: Kept[], policies: ReadonlyMap<string, Policy>, day: number) =>
    pinsDue(backups, policies, day * DAY).map(({ id }) => id);

  it("are due for what outlives its age, before the lifecycle takes it and not sooner", () => {
    const backups = [taken(0, "daily"), taken(1, "daily")];
    const policies = policy({ daily: 30 * DAY });
    expect(due(backups, policies, 23.9)).toEqual([]);
    expect(due(backups, policies, 24)).toEqual(["daily-1"]);
    expect(due(backups, policies, 400)).toEqual(["daily-1"]);
    expect(due([...backups, taken(20, "daily")], policies, 24)).toEqual([]);
    expect(due([taken(1, "daily", { pin: "policy" })], policies, 400)).toEqual([]);
  });

  it("are due at once for what outlives an age that nobody knows", () => {
    const backups = [taken(0, "daily"), taken(1, "daily"), taken(2, "weekly")];
    const [[name, known]] = [...policy({ daily: 30 * DAY, weekly: 90 * DAY })] as [
      [string, Policy],
    ];
    const unknown = new Map([[name, { ...known, agesUnknown: true }]]);
    expect(due(backups, new Map([[name, known]]), 3)).toEqual([]);
    expect(due(backups, unknown, 3)).toEqual(["daily-1", "weekly-2"]);
    const corrupt = taken(3, "daily", { verification: "corrupt" });
    const pinned = taken(4, "daily", { pin: "policy" });
    expect(due([corrupt, pinned], unknown, 5)).toEqual([]);
  });

  it("are never due for what is kept for ever or not at all", () => {
    const corrupt = taken(0, "daily", { verification: "corrupt" });
    expect(due([corrupt], policy({ daily: 30 * DAY }), 29)).toEqual([]);
    expect(due([taken(0, "daily")], policy({ daily: FOREVER }), 4000)).toEqual([]);
    expect(due([taken(0, "daily")], new Map(), 4000)).toEqual([]);
  });

  it("leave two nightly prunes to see a backup of any tier before the lifecycle takes it, though no prune is in time", () => {
    const anAge = fc.integer({ min: 1, max: 1000 * DAY });
    /** Delay of each prune, by R2's clock. */
    const delays = fc.array(fc.integer({ min: -5 * HOUR, max: 5 * HOUR }), { minLength: 1 });
    fc.assert(
      fc.property(anAge, fc.nat(DAY - 1), delays, (age, night, late) => {
        const backup = taken(0, "daily");
        const seen = [...Array(2000).keys()]
          .map((index) => night + index * DAY + late[index % late.length]!)
          .filter((now) => now < lifecycleAge(age))
          .filter((now) => pinsDue([backup], policy({ daily: age }), now).length === 1);
        expect(seen.length).toBeGreaterThanOrEqual(2);
        expect(seen.length * DAY).toBeLessThanOrEqual(pinMargin(age) + 2 * DAY);
      }),
    );
  });

  it("are over when the backup's own key is safe again", () => {
    const pinned = taken(0, "daily", { pin: "policy" });
    const over = (policies: ReadonlyMap<string, Policy>, day: number, backup = pinned) =>
      pinsOver([backup], policies, day * DAY).length === 1;
    expect(over(policy({ daily: 30 * DAY }), 22)).toBe(true);
    expect(over(policy({ daily: 30 * DAY }), 23)).toBe(false);
    expect(over(policy({ daily: FOREVER }), 400)).toBe(true);
    expect(over(new Map(), 400)).toBe(false);
    expect(over(policy({ daily: FOREVER }), 4, taken(0, "daily", { pin: "user" }))).toBe(false);
  });
});

describe("freshness", () => {
  it("tells late from fresh by the schedule, an hour of grace included", () => {
    const taken = at("2026-11-20T00:02:00Z");
    expect(isLate("0 0 * * *", taken, at("2026-11-21T01:00:00Z"))).toBe(false);
    expect(isLate("0 0 * * *", taken, at("2026-11-21T01:00:01Z"))).toBe(true);
    const good = {
      newest: { takenAt: taken, bad: false },
      verified: taken,
      lastRunFailed: false,
      misconfigured: false,
    };
    const state = (known: Known, now: number) => freshness("0 0 * * *", known, now);
    expect(state(good, taken + HOUR)).toBe("fresh");
    expect(state(good, taken + 3 * DAY)).toBe("late");
    expect(state({ ...good, lastRunFailed: true }, taken + HOUR)).toBe("failed");
    const nothing = {
      newest: undefined,
      verified: undefined,
      lastRunFailed: false,
      misconfigured: false,
    };
    expect(state(nothing, taken)).toBe("none");
    for (const known of [good, nothing, { ...good, newest: { takenAt: taken, bad: true } }])
      expect(state({ ...known, misconfigured: true }, taken)).toBe("misconfigured");
    expect(state({ ...nothing, lastRunFailed: true }, taken)).toBe("failed");
  });

  it("takes nothing for fresh that is not known to be good", () => {
    const newest = { takenAt: at("2026-11-20T00:02:00Z"), bad: false };
    const state = (known: Partial<Known>, now: string) =>
      freshness(
        "0 0 * * *",
        { newest, verified: undefined, lastRunFailed: false, misconfigured: false, ...known },
        at(now),
      );
    const night = "2026-11-20T00:03:00Z";
    expect(state({}, night)).toBe("unverified");
    // While the newest is being read back, the previous night's backup is as new as it should be.
    expect(state({ verified: at("2026-11-19T00:02:00Z") }, night)).toBe("fresh");
    expect(state({ verified: at("2026-11-19T00:02:00Z") }, "2026-11-20T01:03:00Z")).toBe(
      "unverified",
    );
    expect(
      state({ newest: { ...newest, bad: true }, lastRunFailed: true, misconfigured: false }, night),
    ).toBe("corrupt");
  });
});
