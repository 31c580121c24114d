import { describe, expect, it } from "vitest";
import { parseCopy } from "../../../src/config/second-copy.ts";
import { loadConfig, parseDatabases } from "../../../src/config/load.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { DEFAULT_RETENTION, FOREVER } from "../../../src/plan/tier.ts";
import { refusal } from "../../support/config-refusal.ts";

const SECRETS = { ADMIN_TOKEN: "a".repeat(24), SIGNING_KEY: "s".repeat(24) };

describe("the configuration", () => {
  it("fills in every default", () => {
    const shop = parseDatabases({ shop: { url: "libsql://shop-acme.turso.io/" } }).get("shop");
    expect(shop).toMatchObject({
      url: "https://shop-acme.turso.io",
      schedule: "0 0 * * *",
      badge: "private",
      stallMs: 60_000,
      attempts: 4,
      capture: "auto",
      followMs: undefined,
      spreadMs: undefined,
      logMs: 7 * DAY,
      retention: { daily: 30 * DAY, weekly: 90 * DAY, monthly: 372 * DAY, milestone: 366 * DAY },
      keepLast: 0,
      lockMs: undefined,
    });
  });

  it("takes forever, the last N and a lock", () => {
    const retain = { manual: "forever", "keep-last": 7, daily: "14d", log: "30d" };
    expect(
      parseDatabases({ shop: { url: "http://x", retain, lock: "7d" } }).get("shop"),
    ).toMatchObject({
      retention: { manual: FOREVER, daily: 14 * DAY, weekly: 90 * DAY },
      keepLast: 7,
      lockMs: 7 * DAY,
      logMs: 30 * DAY,
    });
  });

  it("is the same as a table and as JSON", () => {
    const table = { shop: { url: "http://127.0.0.1:8080/a", retain: { daily: "7d" } } };
    expect(parseDatabases(JSON.stringify(table))).toEqual(parseDatabases(table));
    expect(parseDatabases(table).get("shop")!.retention).toMatchObject({
      daily: 7 * DAY,
      weekly: 90 * DAY,
    });
    expect(parseDatabases(undefined).size).toBe(0);
  });

  it.each([
    ["DATABASES.shop.shedule: unknown key; known keys are url", { shedule: "0 0 * * *" }],
    [
      "DATABASES.shop.retain.dayly: unknown key; known keys are hourly",
      { retain: { dayly: "3d" } },
    ],
    [
      "DATABASES.shop.retain.daily: must be a whole number and a unit",
      { retain: { daily: "3 days" } },
    ],
    ['at most 100y, or "forever"', { retain: { manual: "for ever" } }],
    ["retain.manual: must be", { retain: { manual: 30 } }],
    ["retain.keep-last: must be a whole number from 1 to 1000", { retain: { "keep-last": "7" } }],
    ["retain.keep-last: must be", { retain: { "keep-last": 0 } }],
    ["retain.keep-last: must be", { retain: { "keep-last": 1001 } }],
    ["retain.keep-last: must be", { retain: { "keep-last": 1.5 } }],
    ["retain.keep_last: unknown key; known keys are hourly", { retain: { keep_last: 7 } }],
    ["retain.log: must be a whole number and a unit", { retain: { log: "forever" } }],
    [
      "retain.monthly: must be at least 1d, and 12m is less: did you mean 12mo (months)?",
      { retain: { monthly: "12m" } },
    ],
    ["retain.manual: must be at least 1d, and 1s is less", { retain: { manual: "1s" } }],
    ["retain.hourly: must be at least 1d, and 23h is less", { retain: { hourly: "23h" } }],
    [
      "retain.log: must be at least 1d, and 7m is less: did you mean 7mo",
      { retain: { log: "7m" } },
    ],
    ["DATABASES.shop.lock: must be a whole number and a unit", { lock: "forever" }],
    ["DATABASES.shop.lock: must be", { lock: true }],
    ["DATABASES.shop.schedule: must be a cron expression", { schedule: "0 0 0 * * *" }],
    ["it has six fields, and there is none for seconds", { schedule: "0 0 0 * * *" }],
    ["it has 4 fields", { schedule: "0 0 * *" }],
    ["its hour cannot be 25", { schedule: "0 25 * * *" }],
    ["its month cannot be 0", { schedule: "0 0 1 0 *" }],
    ["its day of the week cannot be SUNDY", { schedule: "0 0 * * SUNDY" }],
    ["no date ever matches it", { schedule: "0 0 30 2 *" }],
    ["DATABASES.shop.schedule: must be a cron expression", { schedule: "0 0 30 2 *" }],
    [
      "DATABASES.shop.url: must start with libsql:// or https://: http:// would send the token in SHOP_TOKEN in clear",
      { token: "SHOP_TOKEN" },
    ],
    ["DATABASES.shop.capture: must be", { capture: "replica" }],
    ["DATABASES.shop.follow: must be a duration of at least 10s", { follow: "9s" }],
    ["DATABASES.shop.follow: must be a duration of at least 10s", { follow: 60 }],
    ["DATABASES.shop.spread: must be a duration of at most 24h", { spread: "25h" }],
    ["DATABASES.shop.spread: must be a duration of at most 24h", { spread: "1" }],
    ["DATABASES.shop.follow: needs pages", { follow: "1m", capture: "dump" }],
    ["DATABASES.shop.badge: must be", { badge: true }],
    ["DATABASES.shop.attempts: must be", { attempts: 0 }],
    ["DATABASES.shop.stall: must be", { stall: 60 }],
    ["DATABASES.shop.url: must start with", { url: "ws://shop" }],
    ["DATABASES.shop.url: must hold no credentials", { url: "https://shop?authToken=x" }],
    ["DATABASES.shop.url: must hold no credentials", { url: "https://shop/#" }],
    ["DATABASES.shop.retain.daily: must be a whole number", { retain: { daily: "999999y" } }],
    ["DATABASES.shop.namespace: must be", { namespace: "a/b" }],
  ])("refuses with %s", (message, entry) => {
    expect(refusal(() => parseDatabases({ shop: { url: "http://x", ...entry } }))).toContain(
      message,
    );
  });

  it("refuses what is no table of databases, and names every mistake at once", () => {
    expect(refusal(() => parseDatabases("{"))).toContain("DATABASES: must be valid JSON");
    expect(refusal(() => parseDatabases([]))).toContain("DATABASES: must be a table");
    for (const name of ["__proto__", "prototype", "constructor"])
      expect(refusal(() => parseDatabases(`{"${name}":{"url":"http://x"}}`))).toContain("named");
    expect(refusal(() => parseDatabases({ Shop: { url: "http://x" } }))).toContain(
      "DATABASES.Shop: must be a name",
    );
    const both = refusal(() => parseDatabases({ a: {}, b: { url: "http://x", x: 1 } }));
    expect(both).toContain("DATABASES.a.url: is missing");
    expect(both).toContain("DATABASES.b.x: unknown key");
  });

  it("takes names as long as Turso's, and no longer ones", () => {
    const name = "a".repeat(64);
    expect([...parseDatabases({ [name]: { url: "http://x" } }).keys()]).toEqual([name]);
    expect(refusal(() => parseDatabases({ [`${name}a`]: { url: "http://x" } }))).toContain(
      "must be a name of up to 64 lower-case letters",
    );
  });

  it("refuses an inline token without repeating it", () => {
    const token = "eyJhbGciOiJFZERTQSJ9.secret";
    const message = refusal(() => parseDatabases({ shop: { url: "http://x", token } }));
    expect(message).toContain("DATABASES.shop.token: must be the NAME of a secret");
    expect(message).not.toContain('secret"');
    expect(message).not.toContain(token);
    const own = refusal(() => parseDatabases({ shop: { url: "http://x", token: "ADMIN_TOKEN" } }));
    expect(own).toContain("must not be Nightjar's own secret");
  });

  it("takes a token over http to this machine, and none to another", () => {
    for (const host of ["localhost:8080", "127.0.0.1", "[::1]:8080", "db.localhost"]) {
      const shop = { url: `http://${host}`, token: "SHOP_TOKEN" };
      expect(parseDatabases({ shop }).get("shop")!.url).toBe(shop.url);
    }
    const near = { url: "http://127.0.0.1.example.com", token: "SHOP_TOKEN" };
    expect(refusal(() => parseDatabases({ shop: near }))).toContain("in clear");
  });

  it("refuses more databases than one variable holds", () => {
    const entry = { url: "https://shop-acme.turso.io", token: "SHOP_TOKEN" };
    const of = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`database-${at}`, entry]));
    expect(parseDatabases(of(50)).size).toBe(50);
    for (const raw of [of(80), JSON.stringify(of(124))])
      expect(refusal(() => parseDatabases(raw))).toMatch(
        /DATABASES: has \d+ bytes, and Cloudflare takes 5120 in one variable: spread/,
      );
  });

  it("refuses secrets that can be guessed", () => {
    const short = { ADMIN_TOKEN: "a".repeat(23), SIGNING_KEY: "s" };
    const message = refusal(() => loadConfig(short));
    expect(message).toContain("ADMIN_TOKEN: has 23 characters, and needs 24");
    expect(message).toContain("SIGNING_KEY: has 1 characters, and needs 24");
    expect(loadConfig(SECRETS).adminToken).toBe(SECRETS.ADMIN_TOKEN);
  });

  it("knows no ages of a database whose retain has a mistake, or that is no table", () => {
    const url = "libsql://shop-acme.turso.io";
    const DATABASES = {
      sound: { url, retain: { daily: "30d" } },
      tokenless: { url, token: "NO_SUCH_SECRET", retain: { daily: "30d" } },
      short: { url, retain: { monthly: "12m" } },
      misspelt: { url, retain: { dialy: "30d" } },
      absent: null,
    };
    const { databases } = loadConfig({ ...SECRETS, DATABASES });
    const unknown = [...databases.values()].filter(({ agesUnknown }) => agesUnknown);
    expect(unknown.map(({ name }) => name)).toEqual(["short", "misspelt", "absent"]);
  });

  it("logs as much as LOG_LEVEL says, which has two values", () => {
    expect(loadConfig(SECRETS).logLevel).toBe("info");
    expect(loadConfig({ ...SECRETS, LOG_LEVEL: "debug" }).logLevel).toBe("debug");
    const message = refusal(() => loadConfig({ ...SECRETS, LOG_LEVEL: "DEBUG" }));
    expect(message).toContain('LOG_LEVEL: must be "info" or "debug"');
  });

  it("refuses its own missing secrets, and those of one database for that database alone", () => {
    const DATABASES = {
      shop: { url: "https://x", token: "SHOP_TOKEN" },
      cms: { url: "https://y", token: "CMS_TOKEN" },
      blog: { url: "https://z" },
    };
    const message = refusal(() => loadConfig({ DATABASES }));
    for (const path of ["ADMIN_TOKEN", "SIGNING_KEY"])
      expect(message).toContain(`${path}: there is no secret`);
    expect(message).not.toContain("DATABASES.shop");

    const config = loadConfig({ DATABASES, ...SECRETS, CMS_TOKEN: "t" });
    const [shop, cms, blog] = [...config.databases.values()];
    expect(config.token(cms!)).toBe("t");
    expect(config.token(blog!)).toBeUndefined();
    expect(cms!.mistakes).toEqual([]);
    expect(shop!.mistakes).toEqual([
      {
        path: "DATABASES.shop.token",
        fix: expect.stringContaining("there is no secret SHOP_TOKEN"),
      },
    ]);
    expect(refusal(() => config.token(shop!), "DATABASE_MISCONFIGURED")).toMatch(
      /shop is wrong.*DATABASES\.shop\.token: there is no secret SHOP_TOKEN: run/,
    );
  });

  it("reads the key of a database that its server encrypts, and refuses what is none", () => {
    const entry = { url: "https://x", encryptionKey: "SHOP_KEY" };
    const key = "6Jz0Hq0m1XkQyTn2vWb8cUeRfGhIjKlMnOpQrStUvWx=";
    const load = (SHOP_KEY?: string) =>
      loadConfig({ DATABASES: { shop: entry, blog: { url: "https://y" } }, ...SECRETS, SHOP_KEY });
    const config = load(key);
    const [shop, blog] = [...config.databases.values()];
    expect(config.encryptionKey(shop!)).toBe(key);
    expect(config.encryptionKey(blog!)).toBeUndefined();
    for (const wrong of [undefined, "too short", "not base64 but long enough!"]) {
      const mistaken = load(wrong);
      const [of] = [...mistaken.databases.values()];
      const refused = refusal(() => mistaken.encryptionKey(of!), "DATABASE_MISCONFIGURED");
      expect(refused).toContain("DATABASES.shop.encryptionKey");
      if (wrong !== undefined) expect(refused).not.toContain(wrong);
    }
    const clear = { ...entry, url: "http://db.example.com" };
    expect(refusal(() => parseDatabases({ shop: clear }))).toContain("send the key in SHOP_KEY");
  });

  it("keeps what is sound of a wrong entry, and the default of every wrong key", () => {
    const DATABASES = {
      shop: { url: "nowhere", schedule: "now", retain: { daily: "9d" }, badge: "public" },
      cms: { url: "https://y", retain: { daily: "1s" }, copy: "yes", unknown: 1 },
      Blog: { url: "https://z" },
      list: [],
    };
    const config = loadConfig({ DATABASES, ...SECRETS });
    const of = (name: string) => config.databases.get(name)!;
    const paths = (name: string) => of(name).mistakes.map(({ path }) => path);
    expect(paths("shop")).toEqual(["DATABASES.shop.url", "DATABASES.shop.schedule"]);
    expect(of("shop")).toMatchObject({ schedule: "0 0 * * *", badge: "public" });
    expect(of("shop").retention.daily).toBe(9 * DAY);
    expect(paths("cms").toSorted()).toEqual(
      ["copy", "retain.daily", "unknown"].map((key) => `DATABASES.cms.${key}`),
    );
    expect(of("cms")).toMatchObject({ url: "https://y", copy: false });
    expect(of("cms").retention).toEqual(DEFAULT_RETENTION);
    expect(paths("Blog")).toEqual(["DATABASES.Blog"]);
    expect(paths("list")).toEqual(["DATABASES.list.url"]);
    for (const name of Object.keys(DATABASES)) {
      expect(refusal(() => config.token(of(name)), "DATABASE_MISCONFIGURED")).toContain(name);
      const alone = { [name]: DATABASES[name as keyof typeof DATABASES] };
      expect(refusal(() => parseDatabases(alone))).toContain(`DATABASES.${name}`);
    }
  });

  it("refuses everything where no database can be read", () => {
    for (const DATABASES of ["{", "[]", 1, { constructor: {} }])
      expect(refusal(() => loadConfig({ ...SECRETS, DATABASES }))).toContain("DATABASES");
  });
});

describe("the second copy", () => {
  const S3 = {
    endpoint: "https://s3.eu-central-1.amazonaws.com/acme/",
    accessKeyId: "COPY_KEY_ID",
    secretAccessKey: "COPY_KEY",
  };
  const KEYS = { COPY_KEY_ID: "id", COPY_KEY: "key" };

  it("fills in every default, as a table and as JSON", () => {
    const copy = parseCopy(S3);
    expect(copy).toEqual({
      ...S3,
      endpoint: "https://s3.eu-central-1.amazonaws.com/acme",
      ...{ region: "auto", prefix: "", keep: false },
    });
    expect(parseCopy(JSON.stringify(S3))).toEqual(copy);
    expect(parseCopy({ bucket: "binding", prefix: "a/b" })).toEqual({
      ...{ bucket: "binding", prefix: "a/b/", keep: false },
    });
    expect(parseCopy(undefined)).toBeUndefined();
    expect(parseCopy({ ...S3, endpoint: "http://127.0.0.1:9000/acme" })).toBeDefined();
  });

  it.each([
    ["COPY.endpint: unknown key; known keys are endpoint", { ...S3, endpint: "x" }],
    ["COPY.endpoint: is missing", { accessKeyId: "A", secretAccessKey: "B" }],
    ["COPY.endpoint: must be the https:// address", { ...S3, endpoint: "http://s3.example/acme" }],
    ["COPY.endpoint: must be the https:// address", { ...S3, endpoint: "https://s3.example" }],
    ["COPY.endpoint: must hold no credentials", { ...S3, endpoint: "https://a:b@s3.example/acme" }],
    ["COPY.endpoint: must hold no credentials", { ...S3, endpoint: "https://s3.example/acme?x=1" }],
    ["COPY.region: must be", { ...S3, region: "" }],
    ["COPY.prefix: must be", { ...S3, prefix: "/a" }],
    ["COPY.prefix: must be", { ...S3, prefix: "" }],
    ["COPY.keep: must be", { ...S3, keep: "yes" }],
    ["COPY.secretAccessKey: must not be Nightjar's own", { ...S3, secretAccessKey: "SIGNING_KEY" }],
    ['COPY.bucket: must be "binding"', { bucket: "acme" }],
    ["COPY.endpoint: has no place beside", { bucket: "binding", endpoint: S3.endpoint }],
    ["COPY.region: has no place beside", { bucket: "binding", region: "auto" }],
    ["COPY: must be valid JSON", "{"],
    ["COPY: must be a table", []],
  ])("refuses with %s", (message, copy) => {
    expect(refusal(() => parseCopy(copy))).toContain(message);
  });

  it("refuses an inline secret without repeating it", () => {
    const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const message = refusal(() => parseCopy({ ...S3, secretAccessKey: secret }));
    expect(message).toContain("COPY.secretAccessKey: must be the NAME of a secret");
    expect(message).not.toContain(secret);
  });

  it("refuses missing secrets and a missing binding by the key that names them", () => {
    const message = refusal(() => loadConfig({ ...SECRETS, COPY: S3, COPY_KEY: "" }));
    for (const path of ["COPY.accessKeyId", "COPY.secretAccessKey"])
      expect(message).toContain(`${path}: there is no secret`);
    const config = loadConfig({ ...SECRETS, ...KEYS, COPY: S3 });
    expect(config.copyKeys).toEqual({ accessKeyId: "id", secretAccessKey: "key" });
    const COPY = { bucket: "binding" };
    expect(refusal(() => loadConfig({ ...SECRETS, COPY }))).toContain(
      "COPY.bucket: there is no R2 binding COPY_BUCKET",
    );
    expect(loadConfig({ ...SECRETS, COPY, COPY_BUCKET: {} }).copyKeys).toBeUndefined();
  });

  it("leaves out a database that says so", () => {
    const databases = parseDatabases({
      a: { url: "http://x" },
      b: { url: "http://x", copy: false },
    });
    expect([...databases.values()].map(({ copy }) => copy)).toEqual([true, false]);
    expect(refusal(() => parseDatabases({ a: { url: "http://x", copy: "no" } }))).toContain(
      "DATABASES.a.copy: must be",
    );
  });
});

it("leaves room for the lifecycle rules of databases that are found, among the thousand of a bucket", () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`d${at}`, { url: "http://a" }]));
  expect(parseDatabases(many(123)).size).toBe(123);
  expect(() => parseDatabases(many(124))).toThrow(/more than the 1000 lifecycle rules/);
});
