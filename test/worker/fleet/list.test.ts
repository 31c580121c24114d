import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { listKnown } from "../../../src/http/databases/list-known.ts";
import { apiOf, askUncompared, ORIGIN } from "../../support/api.ts";
import { testContext } from "../../support/context.ts";
import { enterListed, namesOf, TURSO, TURSO_SECRETS } from "../../support/listed.ts";
import { addBackup } from "../../support/watched-fleet.ts";

const ENTRIES = ["aaa", "acme-100-own", "zzz"];
const FOUND = namesOf(250);
/** Names with backups that are not protected (any more). */
const STORED = ["acme-100-removed", "gone-stored", "removed", "test-stored"];
const ALL = [...ENTRIES, ...FOUND, ...STORED].toSorted();

const context = testContext(
  Object.fromEntries(ENTRIES.map((name) => [name, { url: `https://${name}.example` }])),
  { turso: { ...TURSO, exclude: ["test-*"] }, secrets: TURSO_SECRETS },
);
// The manifests of these backups are made up.
const api = apiOf(context, askUncompared);

beforeAll(async () => {
  const { catalog } = context;
  await enterListed(catalog, [
    ...FOUND.map((name) => ({ name, group: name < "acme-100" ? "default" : "eu" })),
    // Another database under the name of an entry; gone and left out, with backups and without.
    { name: "zzz" },
    ...["gone-stored", "gone-empty"].map((name) => ({ name, goneAt: 5 })),
    ...[{ name: "test-stored" }, { name: "test-empty" }],
  ]);
  for (const name of [...STORED, "acme-007", "acme-007", "aaa"])
    await addBackup(catalog, name, Date.now());
});

/** Follow pages to the end, and return the pages. */
async function pagesOf(path: string, token?: string): Promise<Record<string, any>[]> {
  const pages: Record<string, any>[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const query: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const headers = { authorization: `Bearer ${token}` };
    const page: Record<string, any> =
      token === undefined
        ? await api.json(path + query)
        : await (
            await askUncompared(new Request(ORIGIN + path + query, { headers }), context)
          ).json();
    pages.push(page);
    cursor = page["next"];
  }
  return pages;
}
const namesIn = (pages: Record<string, any>[]) =>
  pages.flatMap(({ databases }) => databases.map(({ name }: { name: string }) => name));

describe("the list of databases", () => {
  it.each([1, 97, 128, 200])("has every database once, %i on a page", async (limit) => {
    if (limit === 1) return expect(await oneByOne(20)).toEqual(ALL.slice(0, 20));
    const pages = await pagesOf(`/v1/databases?limit=${limit}`);
    expect(namesIn(pages)).toEqual(ALL);
    expect(pages.map(({ databases }) => databases.length)).toEqual([
      ...Array.from({ length: Math.floor((ALL.length - 1) / limit) }, () => limit),
      ((ALL.length - 1) % limit) + 1,
    ]);
    return undefined;
  });

  async function oneByOne(count: number): Promise<string[]> {
    const names: string[] = [];
    while (names.length < count) {
      const after = names.length === 0 ? "" : `&cursor=${names.at(-1)}`;
      const { databases, next } = await api.json(`/v1/databases?limit=1${after}`);
      expect([databases.length, next]).toEqual([1, databases[0].name]);
      names.push(databases[0].name);
    }
    return names;
  }

  it("has a hundred without a limit", async () => {
    const { databases, next } = await api.json("/v1/databases");
    expect([databases.length, next]).toEqual([100, ALL[99]]);
  });

  it("says where each comes from", async () => {
    const databases = (await pagesOf("/v1/databases?limit=200")).flatMap(
      (page) => page["databases"],
    );
    const of = (name: string) => {
      const found = databases.find((one) => one.name === name);
      return [found.origin, found.group, found.state, found.backups];
    };
    expect(of("aaa")).toEqual(["DATABASES", null, "fresh", 1]);
    expect(of("acme-007")).toEqual(["TURSO", "default", "fresh", 2]);
    expect(of("acme-200")).toEqual(["TURSO", "eu", "none", 0]);
    expect(of("zzz")).toEqual(["DATABASES", null, "none", 0]);
    for (const name of STORED) expect(of(name)).toEqual([null, null, "not configured", 1]);
  });

  it("is, from any name on, what a plain list has after it", async () => {
    const cursors = fc.oneof(
      fc.constantFrom(...ALL, "test-empty", "acme-1", "gone-empty"),
      fc.string({ minLength: 1, maxLength: 12, unit: "grapheme-ascii" }),
    );
    const own = fc.option(fc.uniqueArray(fc.constantFrom(...ALL, "test-empty", "never")), {
      nil: undefined,
    });
    await fc.assert(
      fc.asyncProperty(
        cursors,
        fc.integer({ min: 1, max: 300 }),
        own,
        async (after, limit, databases) => {
          const found = await listKnown(context, { scopes: ["read"], databases }, after, limit);
          const wanted = ALL.filter((name) => name > after && (databases?.includes(name) ?? true));
          expect(found.map(({ name }) => name)).toEqual(wanted.slice(0, limit));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("has for a limited token its own databases only, in pages too", async () => {
    const databases = ["acme-003", "acme-100", "zzz", "removed"];
    const { token } = await api.json("/v1/tokens", { name: "some", scopes: ["read"], databases });
    const pages = await pagesOf("/v1/databases?limit=3", token);
    expect(pages.map((page) => namesIn([page]))).toEqual([
      ["acme-003", "acme-100", "removed"],
      ["zzz"],
    ]);
    expect(pages.map(({ healthUrl }) => healthUrl)).toEqual([null, null]);
  });

  it.each(["limit=0", "limit=201", "limit=x", "cursor=", "page=2", `cursor=${"x".repeat(256)}`])(
    "is refused with %s",
    async (query) => {
      expect(await api.json(`/v1/databases?${query}`, undefined, 400)).toMatchObject({
        code: "REQUEST_INVALID",
      });
    },
  );
});
