import { describe, expect, it } from "vitest";
import { loadConfig, parseDatabases } from "../../../src/config/load.ts";
import type { Catalog } from "../../../src/catalog/open.ts";
import { Fleet } from "../../../src/worker/fleet.ts";
import { refusal } from "../../support/config-refusal.ts";

const SECRETS = { ADMIN_TOKEN: "a".repeat(24), SIGNING_KEY: "s".repeat(24) };
const ROOT = "select id from users order by id desc";
const URL = "https://shop.example";
const shopWith = (sanitize: unknown) => ({ shop: { url: URL, sanitize } });

describe("sanitize", () => {
  it("takes rules for tables and columns, whatever the case of their letters", () => {
    const shop = parseDatabases(
      shopWith({ key: "K", rules: { Users: { EMail: "fake: email", id: "keep" }, logs: "drop" } }),
    ).get("shop")!;
    expect(shop.sanitize).toMatchObject({ keySecret: "K", required: false, keepUnknown: false });
    expect([...shop.sanitize!.tables]).toEqual([
      [
        "users",
        new Map<string, object>([
          ["email", { kind: "fake", what: "email" }],
          ["id", { kind: "keep" }],
        ]),
      ],
      ["logs", "drop"],
    ]);
    expect(shop.rawNeedsScope).toBe(false);
  });

  it.each([
    [{ rules: {} }, /sanitize\.key: is missing/],
    [{ key: "ADMIN_TOKEN" }, /sanitize\.key: must not be Nightjar's own/],
    [
      { key: "K", require: true },
      /unknown key; known keys are key, unknown, required, rules, subset/,
    ],
    [{ key: "K", unknown: "allow" }, /must be "refuse" or "keep"/],
    [{ key: "K", rules: { users: "keep" } }, /sanitize\.rules\.users: must be "drop"/],
    [{ key: "K", rules: { users: { id: "kept" } } }, /rules\.users\.id: must be "keep", "null"/],
    [{ key: "K", rules: { a: "drop", A: "drop" } }, /must name each once/],
    [{ key: "K", rules: { t: { a: "keep", A: "null" } } }, /must name each once/],
    [{ key: "K", subset: "users" }, /sanitize\.subset: must be a table with `root`/],
    [{ key: "K", subset: {} }, /sanitize\.subset\.root: is missing/],
    [
      { key: "K", subset: { root: "with a as (select 1) select * from a" } },
      /root: must be one query/,
    ],
    [
      { key: "K", subset: { root: ROOT, rows: 0 } },
      /rows: must be a whole number from 1 to 100000/,
    ],
    [{ key: "K", subset: { root: ROOT, row: 5 } }, /known keys are root, rows, references/],
    [
      { key: "K", subset: { root: ROOT, references: "a" } },
      /references: must be a table of columns/,
    ],
    [{ key: "K", subset: { root: ROOT, references: { a: "b.c" } } }, /must be a table of columns/],
    [
      { key: "K", subset: { root: ROOT, references: { "a.b": "c" } } },
      /must be a table of columns/,
    ],
    [{ key: "K", subset: { root: ROOT, references: { "a.b": 1 } } }, /must be a table of columns/],
    [{ key: "K", subset: { root: ROOT, references: { "a.b": "c.d", "A.b": "c.e" } } }, /each once/],
  ])("refuses %o", (sanitize, words) => {
    expect(refusal(() => parseDatabases(shopWith(sanitize)))).toMatch(words);
  });

  it("takes a subset, of 1000 rows unless it says otherwise", () => {
    const subsetOf = (subset: object) =>
      parseDatabases(shopWith({ key: "K", rules: {}, subset })).get("shop")!.sanitize!.subset;
    expect(subsetOf({ root: `${ROOT}; ` })).toEqual({
      ...{ root: { sql: ROOT, table: "users", column: "id" }, rows: 1000, references: [] },
    });
    const references = { "Orders.email": "users.EMAIL" };
    expect(subsetOf({ root: ROOT, rows: 5, references })).toMatchObject({
      rows: 5,
      references: [
        { from: { table: "orders", column: "email" }, to: { table: "users", column: "email" } },
      ],
    });
  });

  it("needs a key that nobody finds by trying", () => {
    const DATABASES = shopWith({ key: "MASKS", rules: {} });
    const mistakes = (secrets: object) =>
      loadConfig({ ...SECRETS, ...secrets, DATABASES }).databases.get("shop")!.mistakes;
    expect(mistakes({})).toMatchObject([{ path: "DATABASES.shop.sanitize.key" }]);
    expect(mistakes({ MASKS: "short" })[0]!.fix).toMatch(/has 5 characters, and needs 24/);
    expect(mistakes({ MASKS: "m".repeat(24) })).toEqual([]);
  });

  it("that is required holds for what is not configured any more, and where a mistake may hide it", async () => {
    const needsScope = (databases: object, name = "shop") =>
      // Without TURSO nothing is asked of the catalog.
      new Fleet(loadConfig({ ...SECRETS, DATABASES: databases }), {} as Catalog).rawNeedsScope(
        name,
      );
    const required = { key: "MASKS", required: true };
    await expect(needsScope(shopWith(required))).resolves.toBe(true);
    await expect(needsScope(shopWith({ key: "MASKS" }))).resolves.toBe(false);
    await expect(needsScope(shopWith(required), "gone")).resolves.toBe(true);
    await expect(needsScope({ shop: { url: URL } }, "gone")).resolves.toBe(false);
    await expect(needsScope(shopWith({ ...required, required: "true" }))).resolves.toBe(true);
    await expect(needsScope({ shop: { url: URL, sanitse: required } })).resolves.toBe(true);
    await expect(needsScope({ shop: "no table" })).resolves.toBe(true);
    await expect(needsScope({ shop: { url: URL, schedule: "never" } })).resolves.toBe(false);
  });
});
