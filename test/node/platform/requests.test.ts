import { createPublicKey, verify } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemDeps } from "../../../src/core/deps.ts";
import { claimsOf } from "../../../src/core/token-claims.ts";
import { type PlatformStandIn, startPlatformStandIn } from "../../support/platform-stand-in.ts";
import { acme, clientOf, errorOf, LIST, listAll, TOKEN } from "./asking.ts";

let standIn: PlatformStandIn;
beforeAll(async () => {
  standIn = await startPlatformStandIn();
});
afterAll(() => standIn.stop());

const HOUR = 3_600_000;
const AUTH = String.raw`^POST .*/auth/tokens`;

describe("tokens", () => {
  it("read a database, or a group, for an hour", async () => {
    acme(standIn, [{ name: "shop" }, { name: "blog", group: "eu" }]);
    const platform = clientOf(standIn);
    const before = Date.now();
    for (const minted of [
      await platform.mintDatabaseToken("shop"),
      await platform.mintGroupToken("eu"),
    ]) {
      const [head, claims, signature] = minted.jwt.split(".");
      const signed = Buffer.from(`${head}.${claims}`);
      const key = createPublicKey(standIn.pem);
      expect(verify(null, signed, key, Buffer.from(signature!, "base64url"))).toBe(true);
      expect(claimsOf(minted.jwt).readOnly).toBe(true);
      expect(minted.expiresAt).toBeGreaterThan(before + HOUR - 2000);
      expect(minted.expiresAt).toBeLessThanOrEqual(Date.now() + HOUR);
    }
    const query = "?expiration=1h&authorization=read-only";
    expect(standIn.requests).toEqual([
      `POST /v1/organizations/acme/databases/shop/auth/tokens${query}`,
      `POST /v1/organizations/acme/groups/eu/auth/tokens${query}`,
    ]);
  });

  it("end an hour after they were asked for, or when they say so if that is sooner", async () => {
    const now = 1_800_000_000_000;
    let clock = now;
    const jwt = (exp: number) => `e30.${btoa(JSON.stringify({ exp }))}.x`;
    const minted = async (body: object) => {
      acme(standIn, [{ name: "shop" }], { faults: [{ match: AUTH, body: JSON.stringify(body) }] });
      clock = now;
      // The answer takes ten minutes.
      const fetch = async (url: string, init: RequestInit) => {
        const response = await systemDeps.fetch(url, init);
        clock += 600_000;
        return response;
      };
      const deps = { now: () => clock, fetch };
      return (await clientOf(standIn, { deps }).mintDatabaseToken("shop")).expiresAt - now;
    };
    expect(await minted({ jwt: "opaque" })).toBe(HOUR);
    expect(await minted({ jwt: jwt(now / 1000 + 7200) })).toBe(HOUR);
    expect(await minted({ jwt: jwt(now / 1000 + 60) })).toBe(60_000);
  });

  it("are none where the answer has none, and errors do not repeat it", async () => {
    for (const body of ["{}", '{"jwt":""}', '{"jwt":"two words"}', '{"jwt":"a\\nb"}', "[]"]) {
      acme(standIn, [{ name: "shop" }], { faults: [{ match: AUTH, body }] });
      const error = await errorOf(clientOf(standIn).mintDatabaseToken("shop"));
      expect(error).toMatchObject({ code: "PLATFORM_INVALID" });
      expect(error.message).toBe(
        "Turso's platform API, making a token for the database shop: the answer has no token.",
      );
    }
  });

  it("of a group may be refused, which tells itself from a database that is gone", async () => {
    acme(standIn, [{ name: "shop" }], { refusesGroupTokens: true });
    const platform = clientOf(standIn);
    expect(await errorOf(platform.mintGroupToken("default"))).toMatchObject({
      ...{ code: "PLATFORM_UNAUTHORIZED", answered: 403, retryable: false },
    });
    expect(await errorOf(platform.mintDatabaseToken("gone"))).toMatchObject({
      ...{ code: "PLATFORM_INVALID", answered: 404 },
    });
    expect(standIn.requests).toHaveLength(2);
  });

  it("are asked for by names only that cannot be another path", async () => {
    acme(standIn, [{ name: "a?b#c d%" }]);
    const platform = clientOf(standIn);
    await platform.mintDatabaseToken("a?b#c d%");
    expect(standIn.requests[0]).toContain("/databases/a%3Fb%23c%20d%25/auth/tokens?expiration");
    for (const name of ["..", ".", "a/b", ""])
      expect(await errorOf(platform.mintDatabaseToken(name))).toMatchObject({
        code: "PLATFORM_INVALID",
      });
    expect(standIn.requests).toHaveLength(1);
  });
});

describe("the configuration of a database", () => {
  it("says who may connect", async () => {
    const allowedIps = ["203.0.113.7", "10.0.0.0/8"];
    acme(standIn, [
      { name: "open" },
      { name: "empty", allowedIps: [] },
      { name: "shut", allowedIps, readsBlocked: true, deleteProtected: true },
    ]);
    const platform = clientOf(standIn);
    const open = {
      allowedIps: null,
      allowedVpcs: null,
      readsBlocked: false,
      deleteProtected: false,
    };
    expect(await platform.readConfiguration("open")).toEqual(open);
    expect(await platform.readConfiguration("empty")).toEqual(open);
    expect(await platform.readConfiguration("shut")).toEqual({
      ...open,
      ...{ allowedIps, readsBlocked: true, deleteProtected: true },
    });
  });
});

describe("a request", () => {
  it.each([
    ["3", 3000],
    ["3600", 60_000],
    [new Date(1_800_000_007_000).toUTCString(), 7000],
    [new Date(1_700_000_000_000).toUTCString(), 0],
    ["soon", 0],
    ["-5", 0],
  ])("waits after 429 with Retry-After %s, and for a minute at most", async (header, wanted) => {
    const headers = { "retry-after": header };
    acme(standIn, [{ name: "shop" }], {
      faults: [{ match: LIST, times: 1, status: 429, headers, body: "slow down" }],
    });
    const deps = { now: () => 1_800_000_000_000, randomBytes: () => new Uint8Array([0]) };
    const platform = clientOf(standIn);
    const paused = clientOf(standIn, {
      deps: { ...deps, sleep: async (ms) => void platform.pauses.push(ms) },
    });
    expect((await listAll(paused)).databases).toHaveLength(1);
    expect(platform.pauses).toEqual([Math.max(250, wanted)]);
  });

  it("waits longer after each try, and not as long as another client", async () => {
    acme(standIn, [], { faults: [{ match: LIST, times: Infinity, status: 502, body: "" }] });
    for (const [byte, pauses] of [
      [0, [250, 500, 1000, 2000]],
      [255, [750, 1500, 3000, 6000]],
    ] as const) {
      const platform = clientOf(standIn, { deps: { randomBytes: () => new Uint8Array([byte]) } });
      expect((await listAll(platform)).error).toMatchObject({ code: "PLATFORM_UNREACHABLE" });
      expect(platform.pauses).toEqual(pauses);
    }
  });

  it("is not tried again where it is refused", async () => {
    for (const status of [400, 401, 403, 404, 409, 422]) {
      acme(standIn, [], {
        faults: [{ match: LIST, times: Infinity, status, body: "no, <token>" }],
      });
      const { error } = await listAll(clientOf(standIn));
      const code = status === 401 || status === 403 ? "PLATFORM_UNAUTHORIZED" : "PLATFORM_INVALID";
      expect(error).toMatchObject({ code, answered: status });
      expect(error!.message).toContain(`it answered ${status}: no, [token]`);
      expect(standIn.requests).toHaveLength(1);
    }
  });

  it("ends when the answer does not come, or not to its end", async () => {
    for (const fault of [{ delay: 60_000 }, { body: "", cutAfter: 0 }]) {
      acme(standIn, [], { faults: [{ match: LIST, times: Infinity, ...fault }] });
      const { error } = await listAll(clientOf(standIn, { patience: 100 }));
      expect(error).toMatchObject({ code: "PLATFORM_UNREACHABLE" });
    }
    // The head comes, the body does not.
    let cancelled = 0;
    const fetch = async (_: string, { signal }: RequestInit) =>
      new Response(
        new ReadableStream({
          start: (controller) =>
            signal!.addEventListener("abort", () => {
              cancelled++;
              controller.error(signal!.reason);
            }),
        }),
      );
    const { error } = await listAll(clientOf(standIn, { patience: 50, deps: { fetch } }));
    expect(error).toMatchObject({ code: "PLATFORM_UNREACHABLE" });
    expect(cancelled).toBe(5);
  });

  it("has at most three others beside it", async () => {
    const databases = Array.from({ length: 40 }, (_, at) => ({ name: `db-${at}` }));
    const busy = await startPlatformStandIn({
      organizations: {
        acme: { databases, token: TOKEN, faults: [{ match: AUTH, times: Infinity, delay: 20 }] },
      },
    });
    const platform = clientOf(busy);
    for (let round = 1; round <= 2; round++) {
      await Promise.all(databases.map(({ name }) => platform.mintDatabaseToken(name)));
      expect(busy.requests).toHaveLength(40 * round);
    }
    expect(busy.mostAtOnce()).toBe(4);
    await busy.stop();
  });

  it("leaves its place to the next one when it fails", async () => {
    acme(standIn, [{ name: "shop" }]);
    const platform = clientOf(standIn);
    await Promise.all(Array.from({ length: 9 }, () => errorOf(platform.mintDatabaseToken("gone"))));
    await platform.mintDatabaseToken("shop");
  });
});

describe("the platform token", () => {
  it("is in no error, nor in its cause", async () => {
    const throwing = async () => {
      throw new Error("failed", { cause: new Error(`header Bearer ${TOKEN} is wrong`) });
    };
    acme(standIn, []);
    const { error } = await listAll(clientOf(standIn, { deps: { fetch: throwing } }));
    expect(error!.message).toContain("header Bearer [token] is wrong");
    const found = [error!];
    // Wherever an answer has the token, also where a message is cut.
    for (const Hostname of [
      1,
      ...[380, 390, 400, 410, 420, 430].map((length) => "x".repeat(length)),
    ])
      for (const status of [200, 400, 500]) {
        const entry = { Hostname, Name: TOKEN, DbId: 1 };
        const body = JSON.stringify({ databases: [entry] });
        acme(standIn, [], { faults: [{ match: LIST, times: 5, status, body }] });
        found.push((await listAll(clientOf(standIn))).error!);
      }
    for (const one of found)
      expect([one.message, one.hint, String(one.cause), JSON.stringify(one)].join()).not.toContain(
        TOKEN.slice(0, 8),
      );
  });

  it("is refused with words, where no header could have it", async () => {
    acme(standIn, []);
    for (const token of ["two words", "line\nbreak", "schlüssel", ""]) {
      const { error } = await listAll(clientOf(standIn, { token }));
      expect(error).toMatchObject({ code: "PLATFORM_UNAUTHORIZED" });
      if (token !== "") expect(error!.message).not.toContain(token);
    }
    expect(standIn.requests).toEqual([]);
  });
});
