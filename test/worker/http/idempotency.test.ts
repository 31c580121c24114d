import { env } from "cloudflare:workers";
import { beforeAll, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { listRuns } from "../../../src/catalog/runs.ts";
import { DAY, MINUTE } from "../../../src/plan/duration.ts";
import type { Context } from "../../../src/worker/context.ts";
import { apiOf, askApp, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { failing } from "../../support/failing.ts";

const ROOT = "test-admin-token-of-24-characters";
const DATABASES = { shop: { url: inject("small"), capture: "dump", protected: true } };
let ahead = 0;
let context: Context;
let backup: string;

async function send(
  path: string,
  key: string | undefined,
  body: object = {},
  token = ROOT,
  to = context,
) {
  const answer = await askApp(
    new Request(ORIGIN + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        ...(key !== undefined && { "idempotency-key": key }),
      },
      body: JSON.stringify(body),
    }),
    to,
  );
  const json = (await answer.json()) as Record<string, any>;
  return {
    status: answer.status,
    json,
    replayed: answer.headers.get("idempotent-replayed"),
    answer,
  };
}

const started = async () => (await listRuns(context.catalog, {}, 100)).length;

beforeAll(async () => {
  context = testContext(DATABASES, { now: () => Date.now() + ahead });
  await backUp(context, manualRun("shop"));
  backup = (await newestBackup(context.catalog, "shop"))!.id;
});

it("starts one run for a request that is sent again, also at once, and answers alike", async () => {
  const before = await started();
  const all = await Promise.all(
    [1, 2, 3].map(() => send("/v1/databases/shop/backups", "key-1", { name: "a" })),
  );
  const again = await send("/v1/databases/shop/backups", "key-1", { name: "a" });
  expect(await started()).toBe(before + 1);
  expect(again).toMatchObject({ status: 202, replayed: "true" });
  const first = all.find(({ status, replayed }) => status === 202 && replayed === null)!;
  expect(again.json).toEqual(first.json);
  expect(again.answer.headers.get("location")).toBe(first.answer.headers.get("location"));
  for (const { status, json } of all)
    if (status !== 202) expect([status, json["code"]]).toEqual([409, "IDEMPOTENCY_PENDING"]);
});

it("refuses the key for another request, and takes the same of another caller or after a day", async () => {
  const before = await started();
  const path = "/v1/databases/shop/backups";
  await send(path, "key-2", { name: "a" });
  const other = await send(path, "key-2", { name: "b" });
  expect([other.status, other.json["code"]]).toEqual([409, "IDEMPOTENCY_CONFLICT"]);
  const { json } = await send("/v1/tokens", undefined, { name: "ci", scopes: ["backup"] });
  expect((await send(path, "key-2", { name: "a" }, json["token"] as string)).replayed).toBeNull();
  ahead = DAY + 1;
  expect((await send(path, "key-2", { name: "a" })).replayed).toBeNull();
  ahead = 0;
  expect(await started()).toBe(before + 3);
});

it("uses up no key for a request that fails, or that waits for a second person", async () => {
  const { json } = await send("/v1/tokens", undefined, { name: "bob", scopes: ["admin"] });
  const missing = await send("/v1/backups/000000000000/verify", "key-3");
  expect([missing.status, missing.json["code"]]).toEqual([404, "BACKUP_NOT_FOUND"]);
  const erasure = { table: "customers", column: "id", key: "1" };
  const asked = await send("/v1/databases/shop/erasures", "key-4", erasure);
  expect(asked.json["code"]).toBe("APPROVAL_REQUIRED");
  await send(`/v1/approvals/${asked.json["approval"]}/grant`, "g", {}, json["token"] as string);
  expect((await send("/v1/databases/shop/erasures", "key-4", erasure)).status).toBe(201);
  expect((await send("/v1/databases/shop/erasures", "key-4", erasure)).replayed).toBe("true");
});

it("is refused where the answer holds a secret, and where it is no key", async () => {
  for (const [path, body] of [
    ["/v1/tokens", { name: "x", scopes: ["read"] }],
    [`/v1/backups/${backup}/links`, { format: "sql" }],
    [`/v1/backups/${backup}/query`, { sql: "SELECT 1" }],
  ] as const)
    expect((await send(path, "key-5", body)).json["code"], path).toBe("REQUEST_INVALID");
  for (const key of ["", "a b", "x".repeat(256)])
    expect((await send(`/v1/backups/${backup}/verify`, key)).status, key).toBe(400);
  const { results } = await env.DB.prepare("SELECT body FROM repeats").all<{
    body: string | null;
  }>();
  expect(JSON.stringify(results)).not.toMatch(/nj_|\/d\//);
});

it("is pending, and never done twice, where the answer could not be kept", async () => {
  for (let call = 1; ; call++) {
    const key = `fault-${call}`;
    const before = await started();
    const broken = failing(
      { BUCKET: env.BUCKET, DB: env.DB },
      "db",
      call,
      () => new Error("injected"),
    );
    const to = testContext(DATABASES, { ...broken, now: () => Date.now() + ahead });
    const first = await send("/v1/databases/shop/backups", key, {}, ROOT, to);
    const second = await send("/v1/databases/shop/backups", key);
    const more = (await started()) - before;
    expect(more, `${call} ${broken.what()}: ${first.status}, ${second.status}`).toBeLessThan(2);
    if (first.status < 400) expect(second.json).toEqual(first.json);
    if (first.status >= 500 && second.status !== 202) {
      expect(second.json["code"], broken.what()).toBe("IDEMPOTENCY_PENDING");
      ahead += 16 * MINUTE;
      const late = await send("/v1/databases/shop/backups", key);
      expect(late.json["code"]).toBe("IDEMPOTENCY_CONFLICT");
      expect(late.json["detail"]).toContain("it may have been carried out");
    }
    if (!broken.happened()) break;
  }
  expect((await apiOf(context).json("/v1/databases"))["databases"]).toHaveLength(1);
});
