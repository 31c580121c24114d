import fc from "fast-check";
import { expect, it } from "vitest";
import { enterDiscovered } from "../../../src/catalog/fleet/discovered.ts";
import { openCatalog } from "../../../src/catalog/open.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { Fleet } from "../../../src/worker/fleet.ts";
import { MemoryDatabase } from "../../support/memory-cloud.ts";

const SECRETS = {
  ADMIN_TOKEN: "test-admin-token-of-24-characters",
  SIGNING_KEY: "test-signing-key-of-24-characters",
  PLATFORM_TOKEN: "token",
};

/** Names that meet each other, in the order of every letter that a name may begin with. */
const entryNames = fc.stringMatching(/^[a-c][a-c.-]{0,2}$/).filter((name) => /^[a-c]/.test(name));
const listedNames = fc.oneof(
  entryNames,
  fc.constantFrom("A", "Z9", "é", "\u{FF21}", "\u{1F600}", "\u{1F600}b", "a\u{FF21}", "a\u{1F600}"),
);
const hosts = fc.constantFrom("h1.example", "h2.example", "h3.example", "h4.example", "h5.example");

const worlds = fc.record({
  entries: fc.uniqueArray(fc.record({ name: entryNames, host: hosts }), {
    selector: ({ name }) => name,
    maxLength: 12,
  }),
  listed: fc.uniqueArray(
    fc.record({
      name: listedNames,
      host: fc.oneof({ weight: 1, arbitrary: hosts }, { weight: 4, arbitrary: fc.constant("") }),
      group: fc.constantFrom("default", "eu"),
      gone: fc.boolean(),
    }),
    { selector: ({ name }) => name, maxLength: 30 },
  ),
  groups: fc.constantFrom<string[] | undefined>(undefined, ["eu"], ["default", "eu"]),
  exclude: fc.constantFrom<string[]>([], ["a*"], ["b", "c-*"]),
  limit: fc.integer({ min: 1, max: 12 }),
});

/** Compare as SQLite does, by the bytes of UTF-8. */
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

it("the pages of the fleet are all that is protected, in order, each once", async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async ({ entries, listed, groups, exclude, limit }) => {
      const catalog = openCatalog(new MemoryDatabase() as unknown as D1Database);
      const rows = listed.map(({ name, host, group, gone }, at) => ({
        ...{ name, group, tursoId: `id-${at}`, hostname: host || `own-${at}.example` },
        ...{ readsBlocked: false, deleteProtected: false, cipher: null },
        ...{ firstSeenAt: 1, goneAt: gone ? 2 : null },
      }));
      if (rows.length > 0) await enterDiscovered(catalog, rows);
      const config = loadConfig({
        ...SECRETS,
        DATABASES: Object.fromEntries(
          entries.map(({ name, host }) => [name, { url: `https://${host}` }]),
        ),
        TURSO: {
          organization: "acme",
          token: "PLATFORM_TOKEN",
          exclude,
          ...(groups && { groups }),
        },
      });
      expect(config.tursoMistakes).toEqual([]);
      const fleet = new Fleet(config, catalog);

      const isExcluded = (name: string) =>
        exclude.some((one) =>
          one.endsWith("*") ? name.startsWith(one.slice(0, -1)) : name === one,
        );
      const found = rows.filter(
        ({ name, group, hostname, goneAt }) =>
          goneAt === null &&
          !entries.some((entry) => entry.name === name || entry.host === hostname) &&
          (groups === undefined || groups.includes(group)) &&
          !isExcluded(name),
      );
      const expected = [...entries, ...found].map(({ name }) => name).toSorted(byBytes);

      const paged: string[] = [];
      for (let after = ""; paged.length <= expected.length; after = paged.at(-1)!) {
        const page = await fleet.page(after, limit);
        paged.push(...page.map(({ name }) => name));
        if (page.length < limit) break;
      }
      expect(paged).toEqual(expected);
      expect([...(await fleet.all()).keys()].toSorted(byBytes)).toEqual(expected);
      const names = [...new Set([...entries, ...rows].map(({ name }) => name))];
      expect([...(await fleet.findAll(names)).keys()].toSorted(byBytes)).toEqual(expected);
      for (const { name, hostname } of rows) {
        const isFound = found.some((one) => one.name === name);
        const own = entries.some((entry) => entry.name === name);
        expect((await fleet.find(name))?.name).toBe(isFound || own ? name : undefined);
        const others = rows.filter((row) => row.hostname === hostname && row.goneAt === null);
        if (others.length === 1 && others[0]!.name === name)
          expect(await fleet.nameAt(`libsql://${hostname}`)).toBe(isFound ? name : undefined);
      }
    }),
    { numRuns: 200 },
  );
});
