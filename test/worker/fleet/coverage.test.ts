import { beforeAll, describe, expect, it } from "vitest";
import { recordBeat } from "../../../src/catalog/watch/beats.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { askApp, apiOf, ORIGIN } from "../../support/api.ts";
import { testContext } from "../../support/context.ts";
import { enterListed, namesOf, TURSO, TURSO_SECRETS } from "../../support/listed.ts";
import { addBackup, addRun } from "../../support/watched-fleet.ts";

const NOW = Date.now();
const DATABASES = {
  own: { url: "libsql://own-acme.turso.io" },
  alias: { url: "libsql://listed-acme.turso.io" },
  slow: { url: "libsql://slow-listed-acme.turso.io" },
  taken: { url: "https://elsewhere.example" },
  wrong: { url: "libsql://wrong-acme.turso.io", token: "NO_SUCH_SECRET" },
};
const context = testContext(DATABASES, {
  turso: {
    ...{ ...TURSO, groups: ["default"], include: ["in-*", "*-test", "taken", "listed", "lost"] },
    exclude: ["*-test"],
  },
  secrets: TURSO_SECRETS,
});
const api = apiOf(context);

beforeAll(async () => {
  const { catalog } = context;
  await enterListed(catalog, [
    ...[{ name: "own", group: "eu" }, { name: "listed" }, { name: "taken" }, { name: "wrong" }],
    { name: "slow-listed" },
    ...[{ name: "in-fresh" }, { name: "in-late" }, { name: "in-none" }, { name: "in-failed" }],
    ...[{ name: "in-eu", group: "eu" }, { name: "other" }, { name: "in-test" }],
    ...[
      { name: "in-blocked", readsBlocked: true },
      { name: "lost", goneAt: NOW - DAY },
    ],
  ]);
  for (const name of ["own", "alias", "taken", "in-fresh", "in-failed", "lost"])
    await addBackup(catalog, name, NOW - 1000);
  for (const name of ["in-late", "slow"]) await addBackup(catalog, name, NOW - 5 * DAY);
  await addRun(catalog, "in-failed", NOW, "failed");
});

/** Return the rows of all pages by name and origin, and the first page. */
async function read(query = "", { json } = api) {
  const first = await json(`/v1/coverage?limit=5${query}`);
  const rows: Record<string, any>[] = [...first["databases"]];
  for (let { next } = first; next !== null;) {
    const page = await json(`/v1/coverage?limit=5${query}&cursor=${next}`);
    expect(page["counts"]).toBeNull();
    rows.push(...page["databases"]);
    ({ next } = page);
  }
  return { first, rows };
}

describe("coverage", () => {
  it("says of each database whether it is protected, why not, and what to do", async () => {
    const { first, rows } = await read();
    const told = rows.map((row) => [
      ...[row["name"], row["origin"], row["group"], row["protected"], row["why"], row["state"]],
    ]);
    expect(told).toEqual([
      ["alias", "DATABASES", null, true, null, "fresh"],
      ["in-blocked", "TURSO", "default", false, "misconfigured", "misconfigured"],
      ["in-eu", "TURSO", "eu", false, "group", null],
      ["in-failed", "TURSO", "default", true, null, "failed"],
      ["in-fresh", "TURSO", "default", true, null, "fresh"],
      ["in-late", "TURSO", "default", true, null, "late"],
      ["in-none", "TURSO", "default", true, null, "none"],
      ["in-test", "TURSO", "default", false, "excluded", null],
      ["listed", "TURSO", "default", true, "configured", "fresh"],
      ["lost", "TURSO", "default", false, "gone", null],
      ["other", "TURSO", "default", false, "not-included", null],
      ["own", "DATABASES", "eu", true, null, "fresh"],
      ["slow", "DATABASES", null, true, null, "late"],
      ["slow-listed", "TURSO", "default", true, "configured", "late"],
      ["taken", "DATABASES", null, true, null, "fresh"],
      ["taken", "TURSO", "default", false, "name-taken", null],
      ["wrong", "DATABASES", "default", false, "misconfigured", "misconfigured"],
    ]);
    const words = Object.fromEntries(
      rows.map(({ name, origin, words }) => [`${name} ${origin}`, words]),
    );
    expect(words).toMatchObject({
      "in-eu TURSO": expect.stringContaining("does not have its group, eu: add"),
      "other TURSO": expect.stringContaining("No pattern in `include`"),
      "in-test TURSO": expect.stringContaining("A pattern in `exclude`"),
      "taken TURSO": expect.stringContaining("another database named taken: give"),
      "listed TURSO": expect.stringMatching(/^DATABASES protects it as alias\. It has a fresh/),
      "lost TURSO": expect.stringContaining(new Date(NOW - DAY).toISOString()),
      "in-blocked TURSO": expect.stringContaining("Turso blocks its reads"),
      "wrong DATABASES": expect.stringContaining("DATABASES.wrong.token"),
      "in-none TURSO": expect.stringContaining("`nightjar backup in-none`"),
      "in-failed TURSO": expect.stringContaining("`nightjar runs in-failed`"),
    });
    expect(first).toMatchObject({
      ...{ organization: "acme", listedAt: null, everySeconds: 3600, error: null, mistakes: [] },
      counts: { configured: 5, found: 13, unprotected: 6, gone: 1 },
    });
  });

  it("leaves out what needs nobody", async () => {
    const { rows } = await read("&only=unprotected");
    expect(rows.map(({ name, origin }) => `${name} ${origin}`)).toEqual([
      ...["in-blocked TURSO", "in-eu TURSO", "in-failed TURSO", "in-late TURSO", "in-none TURSO"],
      ...["in-test TURSO", "other TURSO", "slow DATABASES", "taken TURSO", "wrong DATABASES"],
    ]);
  });

  it("tells when the list was read, and why it was not", async () => {
    const error = { code: "PLATFORM_UNREACHABLE", message: "No answer.", hint: "Wait." };
    await recordBeat(context.catalog, "discovered", { at: NOW - DAY, error: null });
    await recordBeat(context.catalog, "discovery", { at: NOW, error: error as never });
    expect(await api.json("/v1/coverage")).toMatchObject({
      ...{ listedAt: new Date(NOW - DAY).toISOString(), error },
    });
  });

  it("knows nothing of Turso's list by a wrong section, and says so", async () => {
    const broken = apiOf(
      testContext(DATABASES, { turso: { ...TURSO, every: "1s" }, secrets: TURSO_SECRETS }),
    );
    const { first, rows } = await read("", broken);
    expect(first).toMatchObject({
      ...{ organization: null, listedAt: null, mistakes: [{ path: "TURSO.every" }] },
      counts: { configured: 5, found: 13, gone: 1 },
    });
    expect(rows.find(({ name }) => name === "in-fresh")).toMatchObject({
      ...{ protected: false, why: "misconfigured", state: "misconfigured" },
      words: expect.stringContaining("TURSO.every"),
    });
    // What DATABASES has does not depend on it.
    expect(rows.find(({ name }) => name === "listed")).toMatchObject({ protected: true });
    expect(await broken.json("/v1/discovery", {}, 409)).toMatchObject({
      ...{ code: "TURSO_NOT_CONFIGURED", detail: expect.stringContaining("TURSO.every") },
    });
  });

  it("has the entries of DATABASES alone where no organization is configured", async () => {
    const plain = apiOf(testContext(DATABASES));
    const { first, rows } = await read("", plain);
    expect(rows.map(({ name }) => name)).toEqual(["alias", "own", "slow", "taken", "wrong"]);
    expect(first).toMatchObject({
      ...{ organization: null, listedAt: null, everySeconds: null, error: null },
      counts: { configured: 5, found: 0, unprotected: 1, gone: 0 },
    });
    expect(await plain.json("/v1/discovery", {}, 409)).toMatchObject({
      code: "TURSO_NOT_CONFIGURED",
    });
  });

  it("is for tokens that reach all databases, and the list is read by admins alone", async () => {
    const status = async (path: string, method: string, rights: object) => {
      const { token } = await api.json("/v1/tokens", { name: "some", ...rights });
      const headers = { authorization: `Bearer ${token}` };
      return (await askApp(new Request(ORIGIN + path, { method, headers }), context)).status;
    };
    const limited = { scopes: ["admin"], databases: ["own"] };
    expect(await status("/v1/coverage", "GET", { scopes: ["read"] })).toBe(200);
    expect(await status("/v1/coverage", "GET", limited)).toBe(403);
    expect(await status("/v1/discovery", "POST", { scopes: ["backup", "restore"] })).toBe(403);
    expect(await status("/v1/discovery", "POST", limited)).toBe(403);
  });
});

describe("a large fleet", () => {
  it("is searched for what needs somebody a part at a time, to its end", async () => {
    const names = namesOf(1300).map((name) => `in-${name}`);
    const gone = { goneAt: NOW };
    await enterListed(context.catalog, [
      ...names.slice(0, 1299).map((name) => ({ name, ...gone })),
      { name: "in-zzz" },
    ]);
    const pages: string[][] = [];
    for (let cursor = "in-a"; cursor !== null;) {
      const page = await api.json(`/v1/coverage?only=unprotected&limit=1&cursor=${cursor}`);
      pages.push(page["databases"].map(({ name }: { name: string }) => name));
      cursor = page["next"];
    }
    expect(pages.filter((page) => page.length === 0).length).toBeGreaterThan(0);
    expect(pages.flat()).toContain("in-zzz");
    expect(pages.every((page) => page.length <= 1)).toBe(true);
    expect(pages.flat()).toContain("wrong");
  });
});

it("misses no name whose letters come in another order in JavaScript than in the catalog", async () => {
  const names = ["in-\u{E000}", "in-\u{10000}"];
  const { catalog } = testContext({});
  const hosts = ["private-acme.turso.io", "astral-acme.turso.io"];
  await enterListed(
    catalog,
    names.map((name, at) => ({ name, hostname: hosts[at]! })),
  );
  for (const list of ["databases", "coverage"]) {
    const found: string[] = [];
    for (
      let next: string | null = "in-z";
      next !== null && !names.every((name) => found.includes(name));
    ) {
      const page: Record<string, any> = await api.json(
        `/v1/${list}?limit=1&cursor=${encodeURIComponent(next)}`,
      );
      for (const { name } of page["databases"]) found.push(name);
      ({ next } = page as { next: string | null });
    }
    expect(
      found.filter((name) => names.includes(name)),
      list,
    ).toEqual(names);
  }
});
