import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDatabases } from "../../../src/config/load.ts";
import { readTurso } from "../../../src/config/turso.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { type LifecycleRule, lifecycleAge, lifecycleRules } from "../../../src/plan/lifecycle.ts";
import { TIERS } from "../../../src/plan/tier.ts";

const ages = fc.oneof(
  fc.integer({ min: 1, max: 400 }).map((days) => `${days}d`),
  fc.constant("forever"),
);
const retains = fc.record(
  {
    ...Object.fromEntries(TIERS.map((tier) => [tier, ages])),
    log: fc.integer({ min: 1, max: 60 }).map((days) => `${days}d`),
    "keep-last": fc.integer({ min: 1, max: 9 }),
  },
  { requiredKeys: [] },
);
/** The keys of an entry, or none of `retain`. */
const settings = fc.oneof(
  retains.map((retain) => ({ retain })),
  fc.constant({ attempts: 2 }),
);
const NAMES = ["acme-1", "acme-2", "acme-eu-1", "blog", "shop"];
const worlds = fc.record({
  entries: fc.dictionary(fc.constantFrom("shop", "store", "old"), settings, { maxKeys: 3 }),
  defaults: settings,
  overrides: fc.dictionary(
    fc.constantFrom("*", "acme-*", "*-1", "acme-1", "blog", "nobody"),
    settings,
  ),
});

function turso(defaults: object, overrides: object) {
  const written = { organization: "acme", token: "TOKEN", defaults, overrides };
  const read = readTurso(written, { TOKEN: "token" });
  expect(read.mistakes).toEqual([]);
  return read.turso!;
}
const databasesOf = (entries: Record<string, object>) =>
  parseDatabases(
    Object.fromEntries(
      Object.entries(entries).map(([name, entry]) => [
        name,
        { url: "https://x.example", ...entry },
      ]),
    ),
  );
const listed = (name: string) => ({
  ...{ name, hostname: `${name}.example`, group: "default", cipher: null },
});

/** The age at which R2 deletes an object with this key, ms; Infinity if it never does. */
function deletedAt(rules: readonly LifecycleRule[], key: string): number {
  const fitting = rules.filter(({ conditions }) => key.startsWith(conditions.prefix));
  return Math.min(
    ...fitting.map((rule) => (rule.deleteObjectsTransition?.condition.maxAge ?? Infinity) * 1000),
  );
}

describe("R2's lifecycle rules where databases are found", () => {
  it("delete nothing of any database before its policy does, nor its log", () => {
    fc.assert(
      fc.property(worlds, ({ entries, defaults, overrides }) => {
        const databases = databasesOf(entries);
        const section = turso(defaults, overrides);
        const { rules } = lifecycleRules(databases, section.allSettings());
        const found = NAMES.filter((name) => !databases.has(name)).map((name) =>
          section.settingsOf(listed(name)),
        );
        for (const { name, retention, logMs, mistakes } of [...databases.values(), ...found]) {
          expect(mistakes).toEqual([]);
          for (const tier of TIERS) {
            const age = retention[tier];
            const at = deletedAt(rules, `${tier}/${name}/x`);
            // Without an age nothing of the tier is deleted.
            expect(at, `${tier} of ${name}`).toBeGreaterThanOrEqual(
              age === undefined ? Infinity : lifecycleAge(age),
            );
          }
          // A base is one retention old when it is renewed, and must last one more.
          expect(deletedAt(rules, `log/${name}/x`)).toBeGreaterThanOrEqual(2 * logMs + DAY);
        }
        expect(deletedAt(rules, "pinned/daily/shop/x")).toBe(Infinity);
        expect(deletedAt(rules, "erasures/shop/x")).toBe(Infinity);
        expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
      }),
      { numRuns: 1000 },
    );
  });

  it("are one a tier for all that are found, and none for a tier that one of them keeps forever", () => {
    const RETAIN = { daily: "10d", hourly: "2d", yearly: "800d" };
    const plain = turso({ retain: RETAIN }, {});
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, at) => [
        `tenant-${at}-*`,
        { retain: { daily: `${at + 1}d` } },
      ]),
    );
    const entries = databasesOf({ shop: { retain: RETAIN } });
    const count = (section: typeof plain, databases = entries) =>
      lifecycleRules(databases, section.allSettings()).rules;
    const common = (section: typeof plain, databases = entries) =>
      count(section, databases).filter(({ conditions }) => /^\w+\/$/.test(conditions.prefix));
    // Nine tiers and the log, for `shop` and for all that is found; and unfinished uploads.
    expect(count(plain)).toHaveLength(21);
    expect(common(plain)).toHaveLength(10);
    expect(common(turso({ retain: RETAIN }, many)).length).toBeLessThanOrEqual(10);
    const deletes = (rules: readonly LifecycleRule[], prefix: string) =>
      rules.find(({ conditions }) => conditions.prefix === prefix)?.deleteObjectsTransition;
    expect(deletes(common(plain), "daily/")).toEqual({
      condition: { type: "Age", maxAge: 864_000 },
    });
    for (const section of [
      turso({ retain: RETAIN }, { "acme-*": { retain: { ...RETAIN, daily: "forever" } } }),
      turso({ retain: { ...RETAIN, daily: "forever" } }, {}),
    ])
      expect(deletes(common(section), "daily/")).toBeUndefined();
    const kept = databasesOf({ shop: { retain: { ...RETAIN, daily: "forever" } } });
    expect(deletes(common(plain, kept), "daily/")).toBeUndefined();
    // Of a tier without an age in one of them, nothing is deleted by a rule for all.
    const without = turso({ retain: RETAIN }, { "acme-*": { retain: { daily: "10d" } } });
    expect(common(without).map(({ id }) => id)).not.toContain("nightjar hourly");
    expect(lifecycleRules(entries).rules).toHaveLength(11);
  });
});
