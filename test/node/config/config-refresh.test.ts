import { describe, expect, it } from "vitest";
import { loadConfig, parseDatabases } from "../../../src/config/load.ts";
import { refusal } from "../../support/config-refusal.ts";

const SECRETS = { ADMIN_TOKEN: "a".repeat(24), SIGNING_KEY: "s".repeat(24), K: "k".repeat(24) };
const sanitize = { key: "K", unknown: "keep" };
const shop = { url: "https://shop.example", sanitize, refresh: { into: "staging" } };
const staging = { url: "https://staging.example" };
const RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

describe("refresh", () => {
  it("waits for a drill and masks, unless it says otherwise", () => {
    const refreshIn = (refresh: object) =>
      parseDatabases({ shop: { ...shop, refresh }, staging }).get("shop")!.refresh;
    expect(refreshIn({ into: "staging" })).toEqual({
      ...{ into: "staging", after: "drill", sanitize: true },
    });
    const own = { into: "staging", after: "backup", sanitize: false };
    expect(refreshIn(own)).toEqual(own);
  });

  it.each([
    ["no target", { shop: { ...shop, refresh: {} } }, /refresh\.into: is missing/],
    [
      "an unknown key",
      { shop: { ...shop, refresh: { into: "staging", before: 1 } } },
      /known keys are into, after, sanitize/,
    ],
    [
      "another proof",
      { shop: { ...shop, refresh: { into: "staging", after: "query" } } },
      /refresh\.after: must be "backup", "verify" or "drill"/,
    ],
    ["itself", { shop: { ...shop, refresh: { into: "shop" } } }, /into: must be another database/],
    [
      "an unknown database",
      { shop: { ...shop, refresh: { into: "dev" } } },
      /into: must be the name of a database of DATABASES, and there is no dev/,
    ],
    [
      "its own address",
      { staging: { url: "https://SHOP.example/" } },
      /into: must have another address: staging is the same database as shop/,
    ],
    [
      "another database under a second name",
      { live: { url: "libsql://staging.example" } },
      /into: must be a database of its own: staging is the same as live/,
    ],
    [
      "the target of another refresh",
      { blog: { ...shop, url: "https://blog.example" } },
      /shop\.refresh\.into: must be a database that no other refresh replaces: blog has staging too; DATABASES\.blog\.refresh\.into/,
    ],
    [
      "a chain",
      {
        staging: { ...shop, ...staging, refresh: { into: "dev" } },
        dev: { url: "https://dev.example" },
      },
      /shop\.refresh\.into: must be a database without a `refresh` of its own: .*staging\.refresh\.into: cannot be: staging is itself replaced, by the refresh of shop/,
    ],
    [
      "no rules",
      { shop: { url: shop.url, refresh: shop.refresh } },
      /refresh\.sanitize: needs rules: .* or set it to false/,
    ],
    [
      "values that are given masked only",
      {
        shop: {
          ...shop,
          sanitize: { ...sanitize, required: true },
          refresh: { into: "staging", sanitize: false },
        },
      },
      /refresh\.sanitize: must be true, as `sanitize.required` is/,
    ],
    ["dumps", { shop: { ...shop, capture: "dump" } }, /refresh\.sanitize: needs backups by pages/],
    ["what is encrypted", { shop: { ...shop, recipients: [RECIPIENT] } }, /are encrypted/],
  ])("refuses %s", (_, databases, words) => {
    expect(refusal(() => parseDatabases({ shop, staging, ...databases }))).toMatch(words);
  });

  it("takes two databases of one server, each in a namespace of its own", () => {
    const url = "https://sqld.example";
    const databases = { shop: { ...shop, url, namespace: "a" }, staging: { url, namespace: "b" } };
    expect(parseDatabases(databases).size).toBe(2);
  });

  it("that cannot be is not done and told, and stops no backup", () => {
    const wrong = { ...shop, refresh: { into: "dev" } };
    const { databases, watchMistakes } = loadConfig({
      ...SECRETS,
      DATABASES: { shop: wrong, staging },
    });
    expect(databases.get("shop")).toMatchObject({ mistakes: [], refresh: undefined });
    expect(watchMistakes).toMatchObject([{ path: "DATABASES.shop.refresh.into" }]);
    const sound = loadConfig({ ...SECRETS, DATABASES: { shop, staging } });
    expect(sound.databases.get("shop")!.refresh?.into).toBe("staging");
    expect(sound.watchMistakes).toEqual([]);
  });
});
