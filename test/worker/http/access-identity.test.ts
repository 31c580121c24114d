import { beforeAll, describe, expect, it } from "vitest";
import { HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { AccessTeam } from "../../support/access-team.ts";
import { apiOf, askApp, ORIGIN } from "../../support/api.ts";
import { testContext } from "../../support/context.ts";

const AUDIENCE = "a".repeat(64);
const ACCESS = {
  team: "acme",
  audience: AUDIENCE,
  people: { "Ann@acme.dev": ["admin"], "*@acme.dev": ["read"] },
};
const team = new AccessTeam("acme");
let now = Date.now();
let down = false;
const context = testContext(
  { shop: { url: "https://x.example" } },
  {
    now: () => now,
    access: ACCESS,
    fetch: async (url) => {
      if (down) throw new TypeError("connection refused");
      return team.answer(url);
    },
  },
);

async function open(token: string | undefined, path = "/tokens", form?: object) {
  const answer = await askApp(
    new Request(ORIGIN + path, {
      ...(form && { method: "POST", body: new URLSearchParams({ ...form }).toString() }),
      headers: {
        accept: "text/html",
        ...(token !== undefined && { "cf-access-jwt-assertion": token }),
        ...(form && { origin: ORIGIN, "content-type": "application/x-www-form-urlencoded" }),
      },
    }),
    context,
  );
  return { status: answer.status, text: await answer.text() };
}

beforeAll(() => team.rotate());

describe("a person whom Cloudflare Access has signed in", () => {
  it("does on the page what the configuration lets them, and the audit has their name", async () => {
    const ann = await team.token("ann@ACME.dev", AUDIENCE);
    expect(await open(ann)).toMatchObject({
      status: 200,
      text: expect.stringContaining("ann@ACME.dev"),
    });
    expect((await open(ann, "/tokens", { name: "ci", scopes: "read" })).status).toBe(200);
    const { rows } = await apiOf(context).json("/v1/audit?action=token");
    expect(rows[0]).toMatchObject({ actor: "access:ann@acme.dev", actorName: "ann@ACME.dev" });
    // Anybody of the domain may read, and no more.
    const bob = await team.token("bob@acme.dev", AUDIENCE);
    expect((await open(bob, "/alerts")).status).toBe(200);
    expect((await open(bob)).status).toBe(403);
    const stranger = await open(await team.token("eve@evil.dev", AUDIENCE));
    expect(stranger.status).toBe(403);
    expect(stranger.text).toContain("eve@evil.dev is not among the people of ACCESS.");
  });

  it("is nobody for a token of another application, team or key, one that has expired, or no person", async () => {
    const other = new AccessTeam("other");
    await other.rotate();
    const good = await team.token("ann@acme.dev", AUDIENCE);
    const [head, , signature] = good.split(".");
    const forged = Buffer.from(
      JSON.stringify({ aud: [AUDIENCE], iss: team.issuer, email: "ann@acme.dev", exp: 9e9 }),
    ).toString("base64url");
    const none = Buffer.from(JSON.stringify({ alg: "none", typ: "JWT" })).toString("base64url");
    for (const [what, token] of Object.entries({
      audience: await team.token("ann@acme.dev", "b".repeat(64)),
      issuer: await team.token("ann@acme.dev", AUDIENCE, {
        iss: "https://other.cloudflareaccess.com",
      }),
      team: await other.token("ann@acme.dev", AUDIENCE, { iss: team.issuer }),
      expired: await team.token("ann@acme.dev", AUDIENCE, {
        exp: Math.floor(Date.now() / 1000) - 1,
      }),
      early: await team.token("ann@acme.dev", AUDIENCE, {
        nbf: Math.floor(Date.now() / 1000) + 600,
      }),
      payload: `${head}.${forged}.${signature}`,
      unsigned: `${none}.${forged}.`,
      nonsense: "x",
    }))
      expect((await open(token)).status, what).toBe(401);
    expect((await open(await team.token(undefined, AUDIENCE))).status).toBe(403);
    expect((await open(undefined)).status).toBe(401);
  });

  it("opens the page only: the API takes tokens", async () => {
    const token = await team.token("ann@acme.dev", AUDIENCE);
    const headers = { "cf-access-jwt-assertion": token };
    const answer = await askApp(new Request(`${ORIGIN}/v1/databases`, { headers }), context);
    expect(answer.status).toBe(401);
  });

  it("is known by a new key of the team at once, and keys are kept for an hour", async () => {
    const ann = await team.token("ann@acme.dev", AUDIENCE);
    now += 2 * MINUTE;
    await open(ann);
    const { asked } = team;
    await open(ann);
    expect(team.asked).toBe(asked);
    await team.rotate(true);
    expect((await open(await team.token("ann@acme.dev", AUDIENCE))).status).toBe(200);
    expect(team.asked).toBe(asked + 1);
    // Whoever shows unknown keys does not make Nightjar ask each time.
    for (let at = 0; at < 5; at++) await open(ann);
    expect(team.asked).toBe(asked + 1);
    now += HOUR + 1;
    down = true;
    const unknown = await open(await team.token("ann@acme.dev", AUDIENCE));
    expect(unknown.status).toBe(502);
    expect(unknown.text).toContain("ACCESS_UNREACHABLE");
    down = false;
  });
});

it("a wrong ACCESS lets nobody in, and stops nothing else", () => {
  const wrong = testContext({ shop: { url: "https://x.example" } }, { access: { team: "acme" } });
  expect(wrong.config.access).toBeUndefined();
  expect(wrong.config.watchMistakes.map(({ path }) => path)).toEqual([
    "ACCESS.audience",
    "ACCESS.people",
  ]);
  expect(wrong.config.databases.get("shop")!.mistakes).toEqual([]);
});
