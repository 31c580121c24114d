import { beforeAll, describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { listAudit } from "../../../src/catalog/access/audit.ts";
import { DAY, HOUR } from "../../../src/plan/duration.ts";
import type { Scope } from "../../../src/plan/access.ts";
import type { Context } from "../../../src/worker/context.ts";
import { askApp, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";

const SHOP = inject("small");
const DATABASES = {
  shop: { url: SHOP, capture: "dump", protected: true },
  open: { url: SHOP, capture: "dump" },
};
const ROOT = "test-admin-token-of-24-characters";

/** What the clock is ahead of the real one, ms. */
let ahead = 0;
let context: Context;
let backup: string;
const tokens: Record<string, string> = {};

async function send(token: string, method: string, path: string, body?: object) {
  const answer = await askApp(
    new Request(ORIGIN + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
    context,
  );
  const text = await answer.text();
  return { status: answer.status, text, json: parse(text) };
}

function parse(text: string): Record<string, any> {
  try {
    return JSON.parse(text) as Record<string, any>;
  } catch {
    return {};
  }
}

async function tokenFor(name: string, scopes: Scope[], databases?: string[], by = ROOT) {
  const { json } = await send(by, "POST", "/v1/tokens", { name, scopes, databases });
  return json["token"] as string;
}

beforeAll(async () => {
  context = testContext(DATABASES, { now: () => Date.now() + ahead });
  await backUp(context, manualRun("shop"));
  await backUp(context, manualRun("open"));
  backup = (await newestBackup(context.catalog, "shop"))!.id;
  tokens["ann"] = await tokenFor("ann", ["admin"]);
  tokens["bob"] = await tokenFor("bob", ["admin"]);
  tokens["restorer"] = await tokenFor("restorer", ["restore"]);
  tokens["reader"] = await tokenFor("reader", ["read"]);
  tokens["elsewhere"] = await tokenFor("elsewhere", ["admin"], ["open"]);
});

const erasure = (key: string) => ({ table: "customers", column: "id", key });

/** Ask for an erasure of a protected database. @returns the id of its approval */
async function ask(key: string, by = tokens["ann"]!): Promise<string> {
  const { status, json } = await send(by, "POST", "/v1/databases/shop/erasures", erasure(key));
  expect([status, json["code"]]).toEqual([409, "APPROVAL_REQUIRED"]);
  return json["approval"] as string;
}

const decide = (id: string, by: string, verb = "grant") =>
  send(by, "POST", `/v1/approvals/${id}/${verb}`);
const erasuresOf = async (db: string) =>
  (await send(ROOT, "GET", `/v1/databases/${db}/erasures`)).json["erasures"].length as number;

describe("what destroys something of a protected database", () => {
  it("waits until a different person grants it, and goes through once then", async () => {
    const before = await erasuresOf("shop");
    const id = await ask("1");
    expect(await ask("1")).toBe(id); // asking again asks for the same
    expect(await erasuresOf("shop")).toBe(before);
    expect((await decide(id, tokens["ann"]!)).json["code"]).toBe("APPROVAL_INVALID");
    expect((await decide(id, tokens["bob"]!)).json).toMatchObject({ state: "granted" });
    const done = await send(tokens["ann"]!, "POST", "/v1/databases/shop/erasures", erasure("1"));
    expect(done.status).toBe(201);
    expect(await erasuresOf("shop")).toBe(before + 1);
    const again = await ask("1");
    expect(again).not.toBe(id);
    const [row] = await listAudit(context.catalog, { action: "erase", outcome: "done" }, 1);
    expect(row).toMatchObject({ actorName: "ann", database: "shop" });
    expect(JSON.parse(row!.detail)).toMatchObject({
      ...{ approval: id, requestedByName: "ann", grantedByName: "bob" },
    });
  });

  it("is granted for that very request and that person only", async () => {
    const id = await ask("2");
    await decide(id, tokens["bob"]!);
    expect(await ask("3")).not.toBe(id);
    expect(await ask("2", ROOT)).not.toBe(id);
    const done = await send(tokens["ann"]!, "POST", "/v1/databases/shop/erasures", erasure("2"));
    expect(done.status).toBe(201);
  });

  it("is done once by two that send it at once", async () => {
    const id = await ask("4");
    await decide(id, tokens["bob"]!);
    const path = "/v1/databases/shop/erasures";
    const both = await Promise.all(
      [1, 2, 3].map(() => send(tokens["ann"]!, "POST", path, erasure("4"))),
    );
    expect(both.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  it("is not done after it was denied, nor after an hour, granted or not", async () => {
    const denied = await ask("5");
    expect((await decide(denied, tokens["bob"]!, "deny")).json).toMatchObject({ state: "denied" });
    expect((await decide(denied, tokens["bob"]!)).json["code"]).toBe("APPROVAL_INVALID");
    expect(await ask("5")).not.toBe(denied);
    const late = await ask("6");
    const granted = await ask("7");
    await decide(granted, tokens["bob"]!);
    ahead += HOUR;
    try {
      expect((await decide(late, tokens["bob"]!)).json["code"]).toBe("APPROVAL_INVALID");
      expect(await ask("7")).not.toBe(granted);
      const { json } = await send(ROOT, "GET", `/v1/approvals/${granted}`);
      expect(json).toMatchObject({ state: "expired" });
    } finally {
      ahead -= HOUR;
    }
  });

  it("is an overwrite, an unpin, and a prune that takes a pin away", async () => {
    const api = (method: string, path: string, body?: object) =>
      send(tokens["ann"]!, method, path, body);
    await api("POST", `/v1/backups/${backup}/pin`, {});
    const unpin = await api("DELETE", `/v1/backups/${backup}/pin`);
    expect(unpin.json["code"]).toBe("APPROVAL_REQUIRED");
    const overwrite = await api("POST", `/v1/backups/${backup}/restore`, {
      ...{ target: { database: "shop" }, overwrite: true },
    });
    expect(overwrite.json["code"]).toBe("APPROVAL_REQUIRED");
    const other = await api("POST", `/v1/backups/${backup}/restore`, {
      ...{ target: { database: "shop" }, overwrite: true, way: "statements" },
    });
    expect(other.json["approval"]).not.toBe(overwrite.json["approval"]);

    // Its pin ends with its hold; then the policy would delete the copy.
    await decide(unpin.json["approval"] as string, tokens["bob"]!);
    expect((await api("DELETE", `/v1/backups/${backup}/pin`)).status).toBe(200);
    await backUp(context, manualRun("shop"));
    ahead += 400 * DAY;
    try {
      const plan = await api("POST", "/v1/prune", { dryRun: true });
      const doomed = (plan.json["verdicts"] as any[]).filter(
        ({ database, keep, pin, pinChange }) =>
          database === "shop" && ((!keep && pin !== null) || pinChange === "removed"),
      );
      expect(doomed.map(({ id }) => id)).toContain(backup);
      const prune = await api("POST", "/v1/prune", { dryRun: false });
      expect(prune.json["code"]).toBe("APPROVAL_REQUIRED");
      expect((await api("GET", `/v1/backups/${backup}`)).status).toBe(200);
    } finally {
      ahead -= 400 * DAY;
    }
  });

  it("needs nobody where the database is not protected, or nothing is destroyed", async () => {
    const api = (method: string, path: string, body?: object) =>
      send(tokens["ann"]!, method, path, body);
    expect((await api("POST", "/v1/databases/open/erasures", erasure("1"))).status).toBe(201);
    expect((await api("POST", `/v1/backups/${backup}/verify`)).status).toBe(200);
    const plan = await api("POST", `/v1/backups/${backup}/restore`, {
      ...{ target: { database: "shop" }, overwrite: true, dryRun: true },
    });
    expect(plan.status).toBe(200);
  });
});

describe("the second person", () => {
  it("is not a token that the first one has made, by another token or after asking", async () => {
    const child = await tokenFor("ann's", ["admin"], undefined, tokens["ann"]);
    const grandchild = await tokenFor("ann's ann's", ["admin"], undefined, child);
    const id = await ask("20");
    ahead += 1000;
    const later = await tokenFor("later", ["admin"]);
    ahead -= 1000;
    for (const token of [child, grandchild, later])
      expect((await decide(id, token)).json["code"]).toBe("APPROVAL_INVALID");
    expect((await decide(id, tokens["bob"]!)).status).toBe(200);
    // Nor who has made the token that asks: both are in one hand.
    const asked = await ask("23", grandchild);
    for (const token of [child, tokens["ann"]!])
      expect((await decide(asked, token)).json["code"]).toBe("APPROVAL_INVALID");
    expect((await decide(asked, tokens["bob"]!)).status).toBe(200);
    // ADMIN_TOKEN has made everybody's token: with it, its own requests need another.
    const own = await ask("21", ROOT);
    expect((await decide(own, ROOT)).json["code"]).toBe("APPROVAL_INVALID");
    expect((await decide(own, tokens["bob"]!)).status).toBe(200);
  });

  it("has the scope of the act and reaches its database", async () => {
    const id = await ask("22");
    expect((await decide(id, tokens["reader"]!)).json["code"]).toBe("FORBIDDEN");
    expect((await decide(id, tokens["restorer"]!)).json["code"]).toBe("FORBIDDEN");
    expect((await decide(id, tokens["elsewhere"]!)).json["code"]).toBe("APPROVAL_NOT_FOUND");
    const { json } = await send(tokens["elsewhere"]!, "GET", "/v1/approvals?limit=200");
    expect(json["approvals"]).toEqual([]);
    const restore = await send(tokens["ann"]!, "POST", `/v1/backups/${backup}/restore`, {
      ...{ target: { database: "shop" }, overwrite: true, verify: true },
    });
    const { status } = await decide(restore.json["approval"] as string, tokens["restorer"]!);
    expect(status).toBe(200);
  });

  it("sees what is asked for, without the key of an erasure", async () => {
    const id = await ask("a-secret-key");
    const { text, json } = await send(tokens["bob"]!, "GET", `/v1/approvals/${id}`);
    expect(json).toMatchObject({ action: "erase", databases: ["shop"], requestedByName: "ann" });
    expect(json["summary"]).toContain("customers");
    expect(text).not.toContain("a-secret-key");
    const rows = await listAudit(context.catalog, {}, 1000);
    expect(JSON.stringify(rows)).not.toContain("a-secret-key");
  });
});
