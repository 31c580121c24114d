import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type PlatformStandIn, startPlatformStandIn } from "../../support/platform-stand-in.ts";
import { acme, always, clientOf, LIST, listAll, TOKEN } from "./asking.ts";

let standIn: PlatformStandIn;
beforeAll(async () => {
  standIn = await startPlatformStandIn();
});
afterAll(() => standIn.stop());

const many = (count: number) => Array.from({ length: count }, (_, at) => ({ name: `db-${at}` }));

describe("a listing", () => {
  it("has every database of 2,500 although pages fail, break, stall and are cut", async () => {
    const on = (page: number) => `${LIST}.*cursor=after-${page}$`;
    acme(standIn, many(2500), {
      faults: [
        { match: on(300), status: 500, times: 4, body: "oops" },
        { match: on(700), times: 2, cutAfter: 1000 },
        { match: on(900), times: 1, cutAfter: 0 },
        { match: on(1100), times: 1, delay: 60_000 },
        { match: on(1500), times: 1, body: '{"databases": [{"Name": "db-15' },
        { match: on(2400), status: 408, times: 1, body: "" },
      ],
    });
    const { databases, error } = await listAll(clientOf(standIn, { patience: 2000 }));
    expect(error).toBeUndefined();
    expect(databases.map(({ name }) => name)).toEqual(many(2500).map(({ name }) => name));
    expect(standIn.requests).toHaveLength(25 + 4 + 2 + 1 + 1 + 1 + 1);
    expect(standIn.requests[0]).toBe("GET /v1/organizations/acme/databases?limit=100");
  });

  it("says of each database what the list says", async () => {
    acme(standIn, [
      { name: "shop" },
      {
        ...{ name: "blog", id: "b1", hostname: "127.0.0.1:8080", group: "eu" },
        ...{ readsBlocked: true, deleteProtected: true, cipher: "aes256gcm" },
      },
      {
        name: "old",
        raw: { block_reads: null, delete_protection: undefined, encryption_cipher: "" },
      },
    ]);
    const { databases } = await listAll(clientOf(standIn));
    const usual = { group: "default", readsBlocked: false, deleteProtected: false, cipher: null };
    expect(databases).toEqual([
      { ...usual, name: "shop", id: "id-shop", hostname: "shop-acme.turso.io" },
      {
        ...{ name: "blog", id: "b1", hostname: "127.0.0.1:8080", group: "eu" },
        ...{ readsBlocked: true, deleteProtected: true, cipher: "aes256gcm" },
      },
      { ...usual, name: "old", id: "id-old", hostname: "old-acme.turso.io" },
    ]);
  });

  it("fails where a page keeps failing: it does not end there", async () => {
    acme(standIn, many(250), {
      faults: [{ match: `${LIST}.*cursor`, status: 503, times: Infinity, body: "down" }],
    });
    const platform = clientOf(standIn);
    const { databases, error } = await listAll(platform);
    expect(databases).toHaveLength(100);
    expect(error).toMatchObject({ code: "PLATFORM_UNREACHABLE", answered: 503, retryable: true });
    expect(error!.message).toContain("listing databases: it answered 503: down");
    expect(standIn.requests).toHaveLength(6);
    expect(platform.pauses).toHaveLength(4);
  });

  it("has a database once that a page before had", async () => {
    acme(standIn, [...many(100), { name: "db-99" }, { name: "last" }]);
    const { databases } = await listAll(clientOf(standIn));
    expect(databases.map(({ name }) => name)).toEqual([
      ...many(100).map(({ name }) => name),
      "last",
    ]);
  });

  it("may be empty, and its last page may be", async () => {
    acme(standIn, []);
    expect(await listAll(clientOf(standIn))).toEqual({ databases: [], error: undefined });
    for (const body of ['{"databases":[]}', '{"databases":null,"pagination":{"next":""}}']) {
      acme(standIn, many(150), { faults: [{ match: `${LIST}.*cursor`, body }] });
      const { databases, error } = await listAll(clientOf(standIn));
      expect([databases.length, error]).toEqual([100, undefined]);
    }
  });
});

describe("a listing fails, and says why,", () => {
  const page = (databases: unknown, next?: unknown) =>
    JSON.stringify({ databases, ...(next !== undefined && { pagination: { next } }) });
  const shop = { Name: "shop", DbId: "1", Hostname: "shop.turso.io", group: "default" };

  it.each([
    ["no list of databases", "{}"],
    ["no list of databases", "null"],
    ["no list of databases", page(null)],
    ["no list of databases", page({ shop })],
    ["no list of databases", JSON.stringify({ databases: [], pagination: "next" })],
    ["no list of databases", page([], 7)],
    ['gives the cursor "again" twice', page([shop], "again")],
    ["two databases named shop, with the ids 1 and 2", page([shop, { ...shop, DbId: "2" }])],
    ["without a sound form", page(["shop"])],
    ["without a sound Name", page([{ ...shop, Name: undefined }])],
    ["without a sound Name", page([{ ...shop, Name: "" }])],
    ["without a sound Name", page([{ ...shop, Name: ".." }])],
    ["without a sound Name", page([{ ...shop, Name: "a/b" }])],
    ["without a sound DbId", page([{ ...shop, DbId: 1 }])],
    ["without a sound Hostname", page([{ ...shop, Hostname: "" }])],
    ["without a sound Hostname", page([{ ...shop, Hostname: "shop.turso.io/x" }])],
    ["without a sound Hostname", page([{ ...shop, Hostname: "me@shop.turso.io" }])],
    ["without a sound Hostname", page([{ ...shop, Hostname: "shop.turso.io:99999" }])],
    ["without a sound group", page([{ ...shop, group: undefined }])],
    ["without a sound block_reads", page([{ ...shop, block_reads: "no" }])],
  ])("for %s: %s", async (message, body) => {
    acme(standIn, many(3), { faults: always({ body }) });
    const { error } = await listAll(clientOf(standIn));
    expect(error).toMatchObject({ code: "PLATFORM_INVALID", retryable: false });
    expect(error!.message).toContain(message);
  });

  it("for an answer of 50 MB, of which it reads no more than 8", async () => {
    acme(standIn, many(3), { faults: always({ padding: 50 }) });
    const { error } = await listAll(clientOf(standIn));
    expect(error).toMatchObject({ code: "PLATFORM_INVALID" });
    expect(error!.message).toContain("the answer has more than 8388608 bytes");
    expect(standIn.requests).toHaveLength(1);
  });

  it("for a compressed answer, which may be a bomb", async () => {
    const headers = { "content-encoding": "gzip" };
    acme(standIn, many(3), { faults: always({ headers }) });
    const { error } = await listAll(clientOf(standIn));
    expect(error!.message).toContain("compressed, which nobody asked for");
  });

  it("for a list that never ends", async () => {
    let pages = 0;
    const fetch = async () => {
      const Name = `db-${++pages}`;
      return Response.json({ databases: [{ ...shop, Name }], pagination: { next: Name } });
    };
    const { error } = await listAll(clientOf(standIn, { deps: { fetch } }));
    expect(error!.message).toContain("more than 10000 pages");
    expect(pages).toBe(10_000);
  });

  it("for a redirect, which would show the token to somebody else", async () => {
    const headers = { location: `${standIn.url}/elsewhere` };
    acme(standIn, many(3), { faults: always({ status: 302, headers }) });
    const { error } = await listAll(clientOf(standIn));
    expect(error).toMatchObject({ code: "PLATFORM_INVALID", answered: 302 });
    expect(standIn.requests.filter((one) => one.includes("elsewhere"))).toEqual([]);
  });

  it("for a page of a proxy in place of the answer, after five tries", async () => {
    acme(standIn, many(3), { faults: always({ body: "<html>Sign in <token></html>" }) });
    const { error } = await listAll(clientOf(standIn));
    expect(error).toMatchObject({ code: "PLATFORM_UNREACHABLE" });
    expect(error!.message).toContain("the answer is no JSON: <html>Sign in [token]</html>");
    expect(error!.message).not.toContain(TOKEN);
    expect(standIn.requests).toHaveLength(5);
  });
});
