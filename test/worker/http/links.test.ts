import { beforeAll, describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import type { Context } from "../../../src/worker/context.ts";
import { apiOf, askApp, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";

const SHOP = inject("small");
const DATABASES = {
  shop: { url: SHOP, capture: "dump" },
  other: { url: SHOP, capture: "dump" },
};
const OLD_KEY = "test-signing-key-of-24-characters";
const NEW_KEY = "another-signing-key-of-24-characters";

let context: Context;
const backups: Record<string, string> = {};

beforeAll(async () => {
  context = testContext(DATABASES);
  for (const db of ["shop", "other"]) {
    await backUp(context, manualRun(db));
    backups[db] = (await newestBackup(context.catalog, db))!.id;
  }
});

const linkTo = (terms: object, db = "shop") =>
  apiOf(context).json(`/v1/backups/${backups[db]}/links`, { format: "sql.zst", ...terms });

const get = (url: string, headers: Record<string, string> = {}, method = "GET") =>
  Promise.resolve(askApp(new Request(url, { method, headers }), context));

/** Status of a download that is read to its end. */
async function statusOf(url: string, headers?: Record<string, string>): Promise<number> {
  const answer = await get(url, headers);
  await answer.arrayBuffer();
  return answer.status;
}

describe("a link with a number of uses", () => {
  it("is used up by that many downloads, also by readers that come at once", async () => {
    const { url } = await linkTo({ maxUses: 3 });
    const all = await Promise.all(Array.from({ length: 8 }, () => statusOf(url as string)));
    expect(all.filter((status) => status === 200)).toHaveLength(3);
    expect(all.filter((status) => status === 403)).toHaveLength(5);
    const refused = await get(url as string);
    expect(await refused.json()).toMatchObject({
      code: "LINK_INVALID",
      detail: "This link was used up.",
    });
  });

  it("spends no use on a look, and gives the whole where a part is asked for", async () => {
    const { url } = await linkTo({ maxUses: 1 });
    const head = await get(url as string, {}, "HEAD");
    expect([head.status, head.headers.get("accept-ranges")]).toEqual([200, "none"]);
    const tag = head.headers.get("etag")!;
    expect(await statusOf(url as string, { "if-none-match": tag })).toBe(304);
    const part = await get(url as string, { range: "bytes=0-9" });
    expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([
      200,
      Number(head.headers.get("content-length")),
    ]);
    expect(await statusOf(url as string, { range: "bytes=10-" })).toBe(403);
  });

  it("counts downloads that are made on the way out, too", async () => {
    const { url } = await linkTo({ maxUses: 1, format: "sql" });
    expect([await statusOf(url as string), await statusOf(url as string)]).toEqual([200, 403]);
  });
});

it("a link for one address opens for it alone", async () => {
  const four = await linkTo({ address: "203.0.113.9" });
  expect(await statusOf(four["url"] as string, { "cf-connecting-ip": "203.0.113.9" })).toBe(200);
  expect(await statusOf(four["url"] as string, { "cf-connecting-ip": "203.0.113.8" })).toBe(403);
  expect(await statusOf(four["url"] as string)).toBe(403);
  const six = await linkTo({ address: "2001:DB8::1" });
  const near = { "cf-connecting-ip": "2001:db8:0:0:9::2" };
  expect(await statusOf(six["url"] as string, near)).toBe(200);
  expect(await statusOf(six["url"] as string, { "cf-connecting-ip": "2001:db8:0:1::1" })).toBe(403);
});

it("terms that no link can have are refused", async () => {
  for (const terms of [{ maxUses: 0 }, { maxUses: 1.5 }, { address: "localhost" }, { uses: 1 }]) {
    const path = `/v1/backups/${backups["shop"]}/links`;
    const answer = await apiOf(context).call(path, { format: "sql", ...terms });
    expect(answer.status, JSON.stringify(terms)).toBe(400);
  }
});

it("links are listed with their states and without their URLs, each to who reaches its database", async () => {
  const api = apiOf(context);
  const used = await linkTo({ maxUses: 1 });
  await statusOf(used["url"] as string);
  const revoked = await linkTo({});
  await api.call(`/v1/links/${revoked["id"]}`, undefined, "DELETE");
  const foreign = await linkTo({}, "other");
  const { links } = await api.json("/v1/links?limit=200");
  const stateOf = new Map((links as any[]).map((link) => [link.id, link.state]));
  expect([used, revoked, foreign].map(({ id }) => stateOf.get(id))).toEqual([
    ...["used up", "revoked", "valid"],
  ]);
  expect(JSON.stringify(links)).not.toContain("/d/");
  expect(links[0]).toMatchObject({ database: "other", createdBy: "root", maxUses: null });

  const made = await api.json("/v1/tokens", {
    ...{ name: "shop only", scopes: ["download"], databases: ["shop"] },
  });
  const list = async (query: string) => {
    const headers = { authorization: `Bearer ${made["token"]}` };
    const answer = await askApp(new Request(`${ORIGIN}/v1/links${query}`, { headers }), context);
    return [answer.status, (await answer.json()) as any] as const;
  };
  const [, own] = await list("?limit=200");
  expect(new Set(own.links.map((link: any) => link.database))).toEqual(new Set(["shop"]));
  expect((await list("?database=other"))[0]).toBe(404);
  // Page by page they are the same.
  const paged: string[] = [];
  for (let cursor = ""; ;) {
    const [, page] = await list(`?limit=2${cursor}`);
    paged.push(...page.links.map((link: any) => link.id));
    if (page.next === null) break;
    cursor = `&cursor=${page.next}`;
  }
  expect(paged).toEqual(own.links.map((link: any) => link.id));
});

it("links and badges of the key before work until it is taken away", async () => {
  const { url } = await linkTo({});
  const { badgeUrl } = await apiOf(context).json("/v1/databases/shop");
  const statuses = async (secrets: Record<string, string>) => {
    const rotated = testContext(DATABASES, { secrets });
    const ask = async (path: string) => askApp(new Request(path), rotated);
    const badge = await (await ask(badgeUrl as string)).text();
    return [(await ask(url as string)).status, badge.includes("unknown")];
  };
  expect(await statuses({ SIGNING_KEY: NEW_KEY, SIGNING_KEY_PREVIOUS: OLD_KEY })).toEqual([
    200,
    false,
  ]);
  expect(await statuses({ SIGNING_KEY: NEW_KEY })).toEqual([403, true]);
  expect(await statuses({ SIGNING_KEY: NEW_KEY, FORMER_SIGNING_KEYS: OLD_KEY })).toEqual([
    403,
    true,
  ]);
});

it("a page of another origin may read a link, with ranges, and nothing of the API", async () => {
  const { url } = await linkTo({});
  const origin = { origin: "https://page.example" };
  const asked = await get(url as string, { ...origin, range: "bytes=0-9" });
  expect(asked.headers.get("access-control-allow-origin")).toBe("*");
  expect(asked.headers.get("access-control-expose-headers")).toMatch(/content-range/i);
  const preflight = await get(
    url as string,
    {
      ...origin,
      "access-control-request-method": "GET",
      "access-control-request-headers": "range",
    },
    "OPTIONS",
  );
  expect(preflight.headers.get("access-control-allow-headers")).toMatch(/range/i);
  const api = await get(`${ORIGIN}/v1/databases`, origin);
  expect(api.headers.get("access-control-allow-origin")).toBeNull();
});
