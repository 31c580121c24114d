import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/config/load.ts";
import { readTurso, type TursoConfig } from "../../../src/config/turso.ts";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { matchesPattern } from "../../../src/plan/names/pattern.ts";

const SECRETS = {
  ADMIN_TOKEN: "a".repeat(24),
  SIGNING_KEY: "s".repeat(24),
  TURSO_PLATFORM_TOKEN: "platform-token\n",
};
const LEAST = { organization: "acme", token: "TURSO_PLATFORM_TOKEN" };

function sound(raw: object, secrets: object = {}): TursoConfig {
  const { turso, mistakes } = readTurso({ ...LEAST, ...raw }, { ...SECRETS, ...secrets });
  expect(mistakes).toEqual([]);
  return turso!;
}

function mistakesOf(raw: unknown, secrets: object = {}): string[] {
  const { turso, mistakes } = readTurso(raw, { ...SECRETS, ...secrets });
  expect(turso).toBeUndefined();
  return mistakes.map(({ path, fix }) => `${path}: ${fix}`);
}

/** A database as Turso lists it. */
const listed = (
  name: string,
  more: { hostname?: string; group?: string; cipher?: string } = {},
) => ({
  ...{ name, hostname: `${name}-acme.turso.io`, group: "default", cipher: null },
  ...more,
});

describe("the section TURSO", () => {
  it("fills in every default, and is the same as a table and as JSON", () => {
    for (const raw of [LEAST, JSON.stringify(LEAST)]) {
      const { turso, mistakes } = readTurso(raw, SECRETS);
      expect(mistakes).toEqual([]);
      expect(turso).toMatchObject({
        ...{ organization: "acme", tokenSecret: "TURSO_PLATFORM_TOKEN", groups: undefined },
        ...{ include: ["*"], exclude: [], everyMs: HOUR, api: "https://api.turso.tech" },
      });
    }
    const shop = sound({}).settingsOf(listed("shop"));
    expect(shop).toMatchObject({
      ...{ name: "shop", url: "https://shop-acme.turso.io", tokenSecret: undefined },
      ...{ schedule: "0 0 * * *", spreadMs: HOUR, mistakes: [] },
    });
  });

  it("is none where nothing is written", () => {
    expect(readTurso(undefined, {})).toEqual({ turso: undefined, mistakes: [] });
    expect(readTurso("", {})).toEqual({ turso: undefined, mistakes: [] });
  });

  it.each([
    ["TURSO: must be a table", "[]"],
    ["TURSO: must be valid JSON", "{"],
    ["TURSO.organization: is missing", { token: LEAST.token }],
    ["TURSO.token: is missing", { organization: "acme" }],
    ["TURSO.organization: must be the slug", { ...LEAST, organization: ".." }],
    ["TURSO.organization: must be the slug", { ...LEAST, organization: "acme/x" }],
    ["TURSO.token: must be the NAME of a secret", { ...LEAST, token: "eyJh" }],
    ["TURSO.token: must not be Nightjar's own", { ...LEAST, token: "ADMIN_TOKEN" }],
    ["TURSO.token: there is no secret OTHER", { ...LEAST, token: "OTHER" }],
    ["TURSO.groups: must be a list of groups", { ...LEAST, groups: [] }],
    ["TURSO.groups: must be a list of groups", { ...LEAST, groups: "default" }],
    ["TURSO.include: must be a list of names", { ...LEAST, include: [] }],
    ["TURSO.include.0: must be a list of names", { ...LEAST, include: ["a b"] }],
    ["TURSO.exclude: must be a list of names", { ...LEAST, exclude: "*-test" }],
    ["TURSO.every: must be a duration of at least 5m", { ...LEAST, every: "4m" }],
    ["TURSO.every: must be a duration", { ...LEAST, every: 60 }],
    ["TURSO.api: must be an https:// address", { ...LEAST, api: "http://api.turso.tech" }],
    ["TURSO.api: must be an https:// address", { ...LEAST, api: "https://me:pw@api.turso.tech" }],
    ["TURSO.api: must be an https:// address", { ...LEAST, api: "https://api.turso.tech/?x" }],
    ["TURSO.evry: unknown key; known keys are organization, token", { ...LEAST, evry: "1h" }],
    ["TURSO.defaults: must be a table of keys", { ...LEAST, defaults: [] }],
    [
      "TURSO.defaults.retain.daily: must be",
      { ...LEAST, defaults: { retain: { daily: "3 days" } } },
    ],
    [
      "TURSO.defaults.shedule: unknown key; known keys are encryptionKey, schedule, spread",
      { ...LEAST, defaults: { shedule: "x" } },
    ],
    [
      "TURSO.defaults.retain.keep_last: unknown key; known keys are hourly",
      { ...LEAST, defaults: { retain: { keep_last: 7 } } },
    ],
    [
      "TURSO.defaults.follow: needs pages",
      { ...LEAST, defaults: { follow: "1m", capture: "dump" } },
    ],
    [
      "TURSO.defaults.spread: must be a duration of at most",
      { ...LEAST, defaults: { spread: "25h" } },
    ],
    ["TURSO.overrides: must be a table of names", { ...LEAST, overrides: [] }],
    ["TURSO.overrides.a b: must be a name or a pattern", { ...LEAST, overrides: { "a b": {} } }],
    [
      "TURSO.overrides.acme-*.schedule: must be a cron expression",
      { ...LEAST, overrides: { "acme-*": { schedule: "0 25 * * *" } } },
    ],
  ])("refuses with %s", (message, raw) => {
    expect(mistakesOf(raw).join("\n")).toContain(message);
  });

  it("refuses more than one variable holds", () => {
    const overrides = Object.fromEntries(
      Array.from({ length: 200 }, (_, at) => [`a${at}-*`, { schedule: "0 3 * * *" }]),
    );
    expect(mistakesOf({ ...LEAST, overrides })).toEqual([
      expect.stringMatching(/^TURSO: has \d+ bytes, and Cloudflare takes 5120 in one variable/),
    ]);
  });

  it("names every mistake at once, without repeating a secret", () => {
    const token = "eyJhbGciOiJFZERTQSJ9.secret";
    const found = mistakesOf({
      ...{ token, every: "1s", defaults: { attempts: 0 }, overrides: { shop: { badge: true } } },
    });
    expect(found.map((words) => words.split(":")[0])).toEqual([
      ...["TURSO.organization", "TURSO.token", "TURSO.every", "TURSO.defaults.attempts"],
      "TURSO.overrides.shop.badge",
    ]);
    expect(found.join()).not.toContain(token);
  });

  it.each(["url", "token", "namespace", "refresh", "heartbeat", "lock"])(
    "says what to do instead of %s",
    (key) => {
      for (const raw of [{ defaults: { [key]: "X" } }, { overrides: { "a-*": { [key]: "X" } } }])
        expect(mistakesOf({ ...LEAST, ...raw })).toEqual([
          expect.stringMatching(
            new RegExp(`\\.${key}: must not be here: .* name the database in DATABASES`),
          ),
        ]);
    },
  );

  it("needs the secrets that defaults and overrides name, in their form", () => {
    const raw = {
      ...LEAST,
      defaults: { encryptionKey: "SHOP_KEY" },
      overrides: { "a-*": { sanitize: { key: "MASKS" } } },
    };
    expect(mistakesOf(raw)).toEqual([
      expect.stringContaining("TURSO.defaults.encryptionKey: there is no secret SHOP_KEY"),
      expect.stringContaining("TURSO.overrides.a-*.sanitize.key: there is no secret MASKS"),
    ]);
    const wrong = mistakesOf(raw, { SHOP_KEY: "no key at all!", MASKS: "short" });
    expect(wrong).toEqual([
      "TURSO.defaults.encryptionKey: SHOP_KEY must be the database's key in base64",
      expect.stringContaining("TURSO.overrides.a-*.sanitize.key: has 5 characters, and needs 24"),
    ]);
    // A deploy does not know the secrets, only their names.
    const { turso } = readTurso(raw, undefined);
    expect(turso!.secrets.map(({ path, name }) => `${path} ${name}`)).toEqual([
      "TURSO.token TURSO_PLATFORM_TOKEN",
      "TURSO.defaults.encryptionKey SHOP_KEY",
      "TURSO.overrides.a-*.sanitize.key MASKS",
    ]);
  });
});

describe("what is protected", () => {
  it("is told by group, then included names, then excluded ones", () => {
    const turso = sound({ groups: ["default"], include: ["acme-*", "*-eu"], exclude: ["*-test"] });
    const why = (name: string, group = "default") => turso.protects({ name, group });
    expect(why("acme-shop")).toBeUndefined();
    expect(why("shop-eu")).toBeUndefined();
    expect(why("acme-shop", "other")).toBe("group");
    expect(why("shop")).toBe("not-included");
    expect(why("acme-test")).toBe("excluded");
    expect(why("shop-test", "other")).toBe("group");
    expect(sound({}).protects({ name: "any", group: "any" })).toBeUndefined();
  });

  it("is found by patterns as a model finds it that tries every way", () => {
    const naive = (pattern: string, name: string): boolean => {
      if (pattern === "") return name === "";
      if (pattern[0] === "*")
        return naive(pattern.slice(1), name) || (name !== "" && naive(pattern, name.slice(1)));
      return name[0] === pattern[0] && naive(pattern.slice(1), name.slice(1));
    };
    const pattern = fc.stringMatching(/^[ab*]{0,7}$/);
    fc.assert(
      fc.property(pattern, fc.stringMatching(/^[ab]{0,9}$/), (one, name) => {
        expect(matchesPattern(one, name)).toBe(naive(one, name));
      }),
      { numRuns: 5000 },
    );
  });
});

describe("the settings of a database", () => {
  it("are the defaults, then each override that fits, key by key", () => {
    const turso = sound({
      defaults: { retain: { daily: "14d", weekly: "1y" }, spread: "2h", attempts: 6 },
      overrides: {
        "acme-eu": { schedule: "0 4 * * *" },
        "acme-*": { schedule: "0 3 * * *", retain: { daily: "7d" } },
        "*-eu": { attempts: 8, schedule: "0 5 * * *" },
      },
    });
    expect(turso.settingsOf(listed("shop"))).toMatchObject({
      ...{ schedule: "0 0 * * *", spreadMs: 2 * HOUR, attempts: 6 },
      retention: { daily: 14 * DAY, weekly: 366 * DAY },
    });
    expect(turso.settingsOf(listed("acme-eu"))).toMatchObject({
      ...{ schedule: "0 4 * * *", attempts: 8, retention: { daily: 7 * DAY, weekly: 90 * DAY } },
    });
    expect(turso.settingsOf(listed("shop-eu"))).toMatchObject({ schedule: "0 5 * * *" });
  });

  it("are merged as a model merges them", () => {
    const settings = fc.record(
      { attempts: fc.integer({ min: 1, max: 12 }), spotCheck: fc.integer({ min: 0, max: 1024 }) },
      { requiredKeys: [] },
    );
    const overrides = fc.uniqueArray(
      fc.tuple(fc.constantFrom("ab", "a*", "*b", "*", "b*", "**", "a*b", "c"), settings),
      { selector: ([key]) => key },
    );
    fc.assert(
      fc.property(settings, overrides, (defaults, written) => {
        const turso = sound({ defaults, overrides: Object.fromEntries(written) });
        const fitting = new Set(["a*", "*b", "*", "**", "a*b"]);
        const patterns = written.filter(([key]) => fitting.has(key));
        const exact = written.filter(([key]) => key === "ab");
        const expected = { attempts: 4, spotCheck: 64, ...defaults };
        for (const [, one] of [...patterns, ...exact]) Object.assign(expected, one);
        expect(turso.settingsOf(listed("ab"))).toMatchObject(expected);
      }),
    );
  });

  it("have mistakes of their own, where the database tells them", () => {
    const turso = sound(
      {
        defaults: { follow: "1m" },
        overrides: {
          dumped: { capture: "dump" },
          "sealed-*": { encryptionKey: "SHOP_KEY" },
        },
      },
      { SHOP_KEY: "k".repeat(44) },
    );
    const wrong = (name: string, more = {}) =>
      turso.settingsOf(listed(name, more)).mistakes.map(({ path, fix }) => `${path}: ${fix}`);
    const cipher = "aes256gcm";
    expect(wrong("shop")).toEqual([]);
    expect(wrong("sealed-shop", { cipher })).toEqual([]);
    expect(wrong("shop", { cipher })).toEqual([
      "TURSO.overrides.shop.encryptionKey: Turso keeps it encrypted with a key of yours: set encryptionKey in TURSO.overrides.shop",
    ]);
    expect(wrong("dumped")).toEqual([
      expect.stringContaining("TURSO.overrides.dumped.follow: needs pages"),
    ]);
    expect(wrong("Shop")).toEqual([
      expect.stringMatching(/^TURSO\.exclude: Shop can have no backups, .* exclude it/),
    ]);
    expect(wrong("a".repeat(64))).toEqual([]);
    expect(wrong("a".repeat(65))).toHaveLength(1);
  });

  it("are read over http from a stand-in on this machine, and from nowhere else", () => {
    const turso = sound({ api: "http://127.0.0.1:8080/" });
    expect(turso.api).toBe("http://127.0.0.1:8080");
    const near = turso.settingsOf(listed("shop", { hostname: "127.0.0.1:9000" }));
    expect(near).toMatchObject({ url: "http://127.0.0.1:9000", mistakes: [] });
    expect(turso.settingsOf(listed("shop")).mistakes).toMatchObject([{ path: "TURSO.api" }]);
  });
});

describe("the whole configuration", () => {
  it("has the section, its token, and the secrets of databases that are found", () => {
    const TURSO = { ...LEAST, every: "5m", overrides: { shop: { encryptionKey: "SHOP_KEY" } } };
    const key = "k".repeat(44);
    const config = loadConfig({ ...SECRETS, TURSO, SHOP_KEY: `${key}\n` });
    expect(config).toMatchObject({ platformToken: "platform-token", tursoMistakes: [] });
    expect(config.turso!.everyMs).toBe(5 * MINUTE);
    const shop = config.turso!.settingsOf(listed("shop", { cipher: "aes256gcm" }));
    expect(config.encryptionKey(shop)).toBe(key);
    expect(config.token(shop)).toBeUndefined();
  });

  it("keeps the databases of DATABASES where the section is wrong, and says so", () => {
    const DATABASES = { shop: { url: "https://x" } };
    const config = loadConfig({ ...SECRETS, DATABASES, TURSO: { ...LEAST, every: "1s" } });
    expect(config).toMatchObject({ turso: undefined, platformToken: undefined });
    expect(config.tursoMistakes).toMatchObject([{ path: "TURSO.every" }]);
    expect(config.watchMistakes).toEqual(config.tursoMistakes);
    expect(config.databases.get("shop")!.mistakes).toEqual([]);
    const none = loadConfig({ ...SECRETS, DATABASES });
    expect(none).toMatchObject({ turso: undefined, tursoMistakes: [], platformToken: undefined });
  });
});
