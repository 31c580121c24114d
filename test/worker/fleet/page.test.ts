import { beforeAll, describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { app } from "../../../src/http/app.ts";
import { apiOf, askUncompared, ORIGIN } from "../../support/api.ts";
import type { Context } from "../../../src/worker/context.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { enterListed, namesOf, TURSO, TURSO_SECRETS } from "../../support/listed.ts";
import { addBackup } from "../../support/watched-fleet.ts";

const ENTRIES = ["aaa", "acme-250-own"];
const context = testContext(
  Object.fromEntries(ENTRIES.map((name) => [name, { url: `https://${name}.example` }])),
  { turso: TURSO, secrets: TURSO_SECRETS },
);
const FOUND = namesOf(498);

beforeAll(async () => {
  await enterListed(
    context.catalog,
    FOUND.map((name) => ({ name })),
  );
  await enterListed(context.catalog, [{ name: "gone", goneAt: 5 }]);
  for (const name of ["acme-001", "removed"]) await addBackup(context.catalog, name, Date.now());
});

async function cookieOf(token: string): Promise<string> {
  const body = new URLSearchParams({ token }).toString();
  const headers = { origin: ORIGIN, "content-type": "application/x-www-form-urlencoded" };
  const request = new Request(`${ORIGIN}/sign-in`, { method: "POST", headers, body });
  const answer = await app.fetch(request, context);
  return answer.headers.get("set-cookie")!.split(";")[0]!;
}

/** Show the page of the fleet: its text, and the names in its table. */
async function show(
  path: string,
  token = "test-admin-token-of-24-characters",
  shown: Context = context,
) {
  const headers = { accept: "text/html", cookie: await cookieOf(token) };
  const answer = await app.fetch(new Request(ORIGIN + path, { headers }), shown);
  expect(answer.status).toBe(200);
  const text = await answer.text();
  const names = [...text.matchAll(/href="\/databases\/([^"]+)"/g)].map(([, name]) => name!);
  return { text, names };
}

const nextOf = (text: string) => /href="([^"]+)">Next</.exec(text)?.[1]?.replaceAll("&amp;", "&");

describe("the page of the databases", () => {
  it("has the states of all of them up to 500, those that need somebody first", async () => {
    const { text, names } = await show("/");
    expect(text).toContain("500 databases");
    expect(text).toContain("Page 1 of 11");
    expect(names).toHaveLength(50);
    const last = await show("/?page=11");
    expect(last.names).toEqual(["removed"]);
    expect((await show("/?page=10")).names).toContain("acme-001");
  });

  it("lists a larger fleet by name", async () => {
    await enterListed(context.catalog, [{ name: "zulu" }]);
    const seen: string[] = [];
    for (let path: string | undefined = "/"; path !== undefined;) {
      const { text, names } = await show(path);
      expect(text).toContain("Databases by name");
      expect(text).not.toContain("not fresh<");
      expect(text.includes("First page")).toBe(path !== "/");
      expect(names.length).toBeLessThanOrEqual(50);
      seen.push(...names);
      path = nextOf(text);
    }
    expect(seen).toEqual([...ENTRIES, ...FOUND, "removed", "zulu"].toSorted());
  });

  it.each([
    ["acme-25", ["acme-250", "acme-250-own", ...namesOf(260).slice(251)]],
    ["aaa", ["aaa"]],
    ["zulu", ["zulu"]],
    ["a-", []],
    ["zz", []],
    ["%25", []],
  ])("finds names that begin with %s", async (prefix, expected) => {
    const { text, names } = await show(`/?prefix=${prefix}`);
    expect(names).toEqual(expected);
    expect(nextOf(text)).toBeUndefined();
    expect(text.includes("No name begins with this.")).toBe(expected.length === 0);
  });

  it("keeps what it looks for from page to page", async () => {
    const { text, names } = await show("/?prefix=acme-4");
    expect(names).toEqual(FOUND.slice(400, 450));
    const next = await show(nextOf(text)!);
    expect(next.names).toEqual(FOUND.slice(450));
    expect(next.text).toContain('href="/?prefix=acme-4"');
    expect(next.text).toContain('value="acme-4"');
  });

  it("writes nothing as markup that somebody looks for", async () => {
    const { text } = await show(`/?prefix=${encodeURIComponent('"><script>')}`);
    expect(text).not.toContain("<script>");
  });

  it("shows a reader of a few databases their states", async () => {
    const databases = ["acme-001", "acme-002", "removed"];
    const made = { name: "some", scopes: ["read"], databases };
    const { token } = await apiOf(context, askUncompared).json("/v1/tokens", made);
    const { text, names } = await show("/", token);
    expect(text).toContain("2 databases");
    expect(names).toEqual(["acme-002", "acme-001", "removed"]);
  });

  it("offers as targets of a restore what can be written to", async () => {
    const shop = { url: inject("small"), capture: "dump" };
    const own = testContext({ shop, aaa: shop }, { turso: TURSO, secrets: TURSO_SECRETS });
    expect(await backUp(own, manualRun("shop"))).toMatchObject({ state: "done" });
    const { id } = (await newestBackup(own.catalog, "shop"))!;
    const { text } = await show(`/backups/${id}`, undefined, own);
    const options = [...text.matchAll(/<option value="([^"]+)"/g)].map(([, value]) => value);
    expect(options).toEqual(expect.arrayContaining(["shop", "aaa"]));
    expect(options).not.toContain("acme-001");
  });
});
