import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY } from "../../../src/plan/duration.ts";
import { pinsDue } from "../../../src/plan/pins.ts";
import { judge, type Kept } from "../../../src/plan/retention.ts";
import { FOREVER, type Tier } from "../../../src/plan/tier.ts";

const NOW = Date.parse("2026-11-29T03:30:00Z");
const TIERS = ["daily", "weekly", "monthly"] as const;
const RETENTION = { daily: 30 * DAY, weekly: 90 * DAY, monthly: 372 * DAY };
const policies = (keepLast = 0) => new Map([["shop", { retention: RETENTION, keepLast }]]);

const ago = (days: number) => NOW - days * DAY;
function backup(id: string, tier: Tier, days: number, more: Partial<Kept> = {}): Kept {
  return { ...{ id, tier, database: "shop", takenAt: ago(days) }, ...VERIFIED, ...more };
}
const VERIFIED = { verification: "verified", pin: null } as const;

/** Backups of one database, each with what it stands for: later moments, at most one of each tier. */
const histories = fc.array(
  fc.record({
    tier: fc.constantFrom(...TIERS),
    days: fc.integer({ min: 0, max: 500 }),
    stands: fc.uniqueArray(
      fc.record({ tier: fc.constantFrom(...TIERS), after: fc.integer({ min: 1, max: 400 }) }),
      { selector: ({ tier }) => tier, maxLength: 3 },
    ),
    verification: fc.constantFrom("verified" as const, "corrupt" as const, null),
  }),
  { maxLength: 12 },
);

function backupsOf(history: typeof histories extends fc.Arbitrary<infer T> ? T : never): Kept[] {
  return history.map(({ tier, days, stands, verification }, at) => ({
    ...backup(`b${String(at).padStart(2, "0")}`, tier, days, { verification }),
    confirmed: stands.map((stand) => ({
      tier: stand.tier,
      lastFor: Math.min(NOW, ago(days) + stand.after * DAY),
    })),
  }));
}

describe("a backup that stands for later moments because nothing had changed", () => {
  it("is kept as long as one of them would be, were each a backup of its own", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const backups = backupsOf(history);
        const each = backups.flatMap(({ confirmed = [], ...own }) => [
          own,
          ...confirmed.map(({ tier, lastFor }) => ({ ...own, tier, takenAt: lastFor })),
        ]);
        const alone = judge(each, policies(), NOW);
        const expected = backups.map(({ id }) =>
          alone.some((verdict) => verdict.backup.id === id && verdict.keep),
        );
        expect(judge(backups, policies(), NOW).map(({ keep }) => keep)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it("is one of the newest by the last of them, and counts once", () => {
    fc.assert(
      fc.property(histories, fc.integer({ min: 1, max: 5 }), (history, keepLast) => {
        const backups = backupsOf(history);
        const newest = ({ takenAt, confirmed = [] }: Kept) =>
          Math.max(takenAt, ...confirmed.map(({ lastFor }) => lastFor));
        const times = new Set(backups.map(newest));
        fc.pre(times.size === backups.length); // of two at the same time, either may be the newer one
        const last = backups
          .filter(({ verification }) => verification !== "corrupt")
          .toSorted((a, b) => newest(b) - newest(a))
          .slice(0, keepLast);
        const kept = new Map(
          judge(backups, policies(keepLast), NOW).map(({ backup: { id }, keep }) => [id, keep]),
        );
        for (const { id } of last) expect(kept.get(id)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("is copied before R2 deletes it by its own age, and not after it has had its time", () => {
    const newer = backup("new", "daily", 1);
    const stands = (days: number) => ({
      confirmed: [{ tier: "daily" as const, lastFor: ago(days) }],
    });
    const due = (one: Kept) => pinsDue([one, newer], policies(), NOW).map(({ id }) => id);
    expect(due(backup("old", "daily", 25, stands(2)))).toEqual(["old"]);
    expect(due(backup("old", "daily", 10, stands(2)))).toEqual([]);
    expect(due(backup("old", "daily", 25, stands(31)))).toEqual([]);
    expect(due(backup("old", "daily", 60, stands(31)))).toEqual([]);
  });

  it("says so in words", () => {
    const [verdict] = judge(
      [
        backup("old", "daily", 60, { confirmed: [{ tier: "weekly", lastFor: ago(14) }] }),
        backup("weekly", "weekly", 3),
        backup("daily", "daily", 1),
      ],
      policies(),
      NOW,
    );
    expect(verdict).toMatchObject({ keep: true, outlives: true });
    expect(verdict!.reason).toBe(
      "past the age of daily backups (2026-10-30), kept as the state of 2026-11-15, when nothing had changed",
    );
  });
});

describe("a database that is protected no longer", () => {
  it("keeps everything, copied before R2 deletes it", () => {
    const gone = new Map([["shop", { retention: RETENTION, keepLast: 0, gone: true }]]);
    const backups = [
      backup("a", "daily", 500),
      backup("b", "daily", 25),
      backup("c", "daily", 3),
      backup("d", "monthly", 2),
    ];
    expect(judge(backups, gone, NOW).every(({ keep }) => keep)).toBe(true);
    expect(pinsDue(backups, gone, NOW).map(({ id }) => id)).toEqual(["a", "b"]);
    const forever = new Map([["shop", { retention: { daily: FOREVER }, keepLast: 0, gone: true }]]);
    expect(pinsDue(backups, forever, NOW)).toEqual([]);
  });
});
