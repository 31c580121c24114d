import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadShop } from "../../../scripts/lib/sample-shop.ts";
import type { ServerProcess } from "../../../scripts/lib/server-process.ts";
import { Product, SIGNING_KEY, TOKEN } from "../../support/product.ts";
import { type Outcome, runCli } from "../../support/run-cli.ts";

/** Tokens, approvals, the audit and alerts on the real Worker, by the command line, as several people use it. */
let product: Product;
let shop: ServerProcess;
/** Everything that was printed or answered. */
const told: string[] = [];
const OPS_SECRET = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;
const METRICS_TOKEN = "metrics-token-of-at-least-24-characters";
const secrets = [
  TOKEN,
  SIGNING_KEY,
  METRICS_TOKEN,
  OPS_SECRET,
  "path-of-ops",
  "path-of-shop",
  "path-of-nightjar",
];

/** A service outside: it takes alerts and heartbeats. */
let outside: Server;
const heard: { path: string; headers: Record<string, string>; body: string }[] = [];
const heardAt = (path: string) => heard.filter((one) => one.path.startsWith(path));
/** The alerts that arrived, with their signatures checked. */
const alerts = () =>
  heardAt("/path-of-ops").map(
    ({ headers, body }) =>
      new Webhook(OPS_SECRET).verify(body, headers) as { type: string; data: { title: string } },
  );

async function as(token: string, args: string[], input = ""): Promise<Outcome> {
  const env = { NIGHTJAR_URL: product.worker.url, NIGHTJAR_TOKEN: token };
  const outcome = await runCli(args, product.dir, env, input);
  if (args[1] !== "create") told.push(outcome.out, outcome.err);
  return outcome;
}

async function tokenFor(name: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await as(TOKEN, ["token", "create", name, ...args]);
  expect(code, err).toBe(0);
  expect(out).toMatch(/^nj_[0-9a-z]{12}_[\w-]{43}\n$/);
  expect(err).not.toContain(out.trim());
  told.push(err);
  secrets.push(out.trim());
  return out.trim();
}

beforeAll(async () => {
  product = await Product.create();
  shop = await product.sqld("shop");
  await loadShop(shop.url);
  const hear = async (request: IncomingMessage, response: ServerResponse) => {
    const headers = request.headers as Record<string, string>;
    heard.push({ path: request.url!, headers, body: await text(request) });
    response.end("OK");
  };
  outside = createServer((request, response) => void hear(request, response));
  await once(outside.listen(0, "127.0.0.1"), "listening");
  const address = `http://127.0.0.1:${(outside.address() as AddressInfo).port}`;
  await product.start(
    {
      shop: { url: shop.url, protected: true, heartbeat: "SHOP_HEARTBEAT" },
      other: { url: shop.url },
      broken: { url: "http://127.0.0.1:1", attempts: 1 },
    },
    {
      ALERTS: JSON.stringify({ ops: { type: "webhook", url: "OPS_URL", secret: "OPS_SECRET" } }),
      ...{ OPS_URL: `${address}/path-of-ops`, OPS_SECRET, METRICS_TOKEN },
      ...{ SHOP_HEARTBEAT: `${address}/path-of-shop`, HEARTBEAT: `${address}/path-of-nightjar` },
    },
  );
});

afterAll(async () => {
  await product.stop();
  outside.close();
});

it("each token does what it may, and is told what it may not", async () => {
  const ci = await tokenFor("ci", "--scope", "backup", "--database", "shop", "--expires-in", "90d");
  expect(await as(ci, ["backup", "shop"])).toMatchObject({ code: 0 });
  const url = await as(ci, ["url", "shop"]);
  expect(url).toMatchObject({ code: 3, out: "" });
  expect(url.err).toContain("This needs the scope download; token ci has backup.");
  expect((await as(ci, ["backup", "other"])).err).toContain("No database other is configured");
  const status = JSON.parse((await as(ci, ["status", "--json"])).out) as { name: string }[];
  expect(JSON.stringify(status)).not.toContain('"other"');

  const dev = await tokenFor("dev", "--scope", "download,restore");
  expect((await as(dev, ["pull", "shop"])).code).toBe(0);
  expect((await as(dev, ["query", "shop", "SELECT count(*) FROM customers"])).code).toBe(0);
  expect((await as(dev, ["prune", "--dry-run"])).code).toBe(3);

  const list = await as(TOKEN, ["token", "list"]);
  expect(list.out).toMatch(/ci +backup +shop .* valid/);
  const id = ci.split("_")[1]!;
  expect((await as(TOKEN, ["token", "revoke", id])).code).toBe(0);
  const revoked = await as(ci, ["status"]);
  expect(revoked).toMatchObject({ code: 3 });
  expect(revoked.err).toMatch(/^nightjar: Token ci \([0-9a-z]{12}\) was revoked at /);
});

it("what destroys something waits for another person, and goes on by itself then", async () => {
  const ann = await tokenFor("ann", "--scope", "admin");
  const bob = await tokenFor("bob", "--scope", "admin");
  const erase = ["erase", "shop", "--table", "customers", "--column", "id"];
  const waiting = as(ann, erase, "1\n");
  let id: string | undefined;
  while (id === undefined) {
    await sleep(200);
    const { out } = await as(bob, ["approval", "list", "--json"]);
    const { approvals } = JSON.parse(out) as { approvals: { id: string; state: string }[] };
    id = approvals.find(({ state }) => state === "waiting")?.id;
  }
  expect((await as(ann, ["approval", "grant", id])).code).toBe(3);
  const granted = await as(bob, ["approval", "grant", id]);
  expect(granted.out).toMatch(/^Approval .* is granted, .*: leave rows of customers/);
  const done = await waiting;
  expect(done, done.err).toMatchObject({ code: 0 });
  expect(done.err).toContain(`Waiting for: nightjar approval grant ${id}`);
  expect(done.err).toContain("Granted by bob.");
  expect(done.out).toContain("Rows of customers with this id are left out");
});

it("people are told what is wrong, and an outside service that Nightjar is alive", async () => {
  await product.fireCron();
  await product.ended("broken");
  await product.fireCron();
  const beats = heardAt("/path-of-nightjar").map(({ path }) => path);
  expect(new Set(beats)).toEqual(new Set(["/path-of-nightjar"]));
  const opened = alerts().filter(({ type }) => type === "alert.opened");
  expect(opened.map(({ data }) => data.title)).toEqual(["broken: backup failed"]);
  const notices = alerts().filter(({ type }) => type === "alert.notice");
  expect(notices.map(({ data }) => data.title)).toContain("shop: approval wanted");
  // The run of shop that ended first: its start and its end have the same rid.
  const [start, end] = heardAt("/path-of-shop").map(({ path }) => path);
  expect(start).toMatch(/^\/path-of-shop\/start\?rid=[0-9a-f-]{36}$/);
  expect(end).toBe(start!.replace("/start", ""));

  const list = await as(TOKEN, ["alert", "list"]);
  expect(list.out).toMatch(/critical +broken: backup failed/);
  expect((await as(TOKEN, ["status"])).out).toContain("broken: backup failed");
  const health = await as(TOKEN, ["health"]);
  expect(health).toMatchObject({ code: 1, out: expect.stringContaining("broken: failed") });
  const url = /http\S+\/health\?key=\S+/.exec(health.err)![0];
  const answer = await fetch(url);
  expect([answer.status, await answer.json()]).toMatchObject([503, { databases: 3 }]);

  const test = await as(TOKEN, ["alert", "test", "ops"]);
  expect(test).toMatchObject({ code: 0, out: "ops: the message was taken\n" });
  expect(alerts().at(-1)!.data.title).toBe("Nightjar: test");
  const id = (JSON.parse((await as(TOKEN, ["alert", "list", "--json"])).out) as any).incidents[0]
    .id;
  expect((await as(TOKEN, ["alert", "show", id])).out).toMatch(/ops +opened +.* UTC +1/);
  expect((await as(TOKEN, ["alert", "channels"])).out).toMatch(/ops +webhook +all +warning/);
});

it("the audit has all of it, and holds", async () => {
  const { out } = await as(TOKEN, ["audit", "--limit", "all", "--json"]);
  const rows = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, any>);
  const acts = new Set(
    rows.map(({ actorName, action, outcome }) => `${actorName} ${action} ${outcome}`),
  );
  for (const act of [
    ...["ADMIN_TOKEN token done", "ci backup done", "Nightjar run done", "ci link denied"],
    ...["dev link done", "dev query done", "dev prune denied", "ADMIN_TOKEN token-revoke done"],
    ...["ann approval started", "ann approval failed", "bob approval done", "ann erase done"],
  ])
    expect([...acts]).toContain(act);
  const erased = rows.find(({ action, outcome }) => action === "erase" && outcome === "done");
  expect(erased!["detail"]).toMatchObject({ requestedByName: "ann", grantedByName: "bob" });
  const table = await as(TOKEN, ["audit", "--database", "shop", "--action", "download"]);
  expect(table.out).toMatch(/ download +done +shop /);
  const verified = await as(TOKEN, ["audit", "--verify"]);
  expect(verified).toMatchObject({ code: 0 });
  expect(verified.out).toMatch(/^All \d+ rows of the audit follow each other/);
});

it("no secret is in what was printed, logged or answered", async () => {
  const call = (path: string, token = TOKEN) =>
    fetch(product.worker.url + path, { headers: { authorization: `Bearer ${token}` } });
  for (const path of [
    ...["/v1/databases", "/v1/tokens", "/v1/audit", "/v1/links", "/v1/approvals", "/v1/nothing"],
    ...["/v1/alerts", "/v1/alerts/channels", "/v1/runs", "/v1/cost", "/health", "/metrics"],
    "/v1/databases/shop/backups",
    ...["/healthz", "/badge/shop.json", "/d/x/y"],
  ])
    told.push(await (await call(path)).text());
  told.push(await (await call("/v1/databases", "nj_guessed")).text(), product.worker.output());
  const origin = product.worker.url;
  const signedIn = await fetch(`${origin}/sign-in`, {
    ...{ method: "POST", redirect: "manual", headers: { origin } },
    body: new URLSearchParams({ token: TOKEN }),
  });
  const cookie = signedIn.headers.get("set-cookie")!;
  const page = async (path: string) => {
    const answer = await fetch(origin + path, { headers: { cookie: cookie.split(";")[0]! } });
    expect(answer.status, path).toBe(200);
    return answer.text();
  };
  const [backup] = await product.backups("shop");
  for (const path of ["/", "/databases/shop", `/backups/${backup!.id}`, `/runs/${backup!.runId}`])
    told.push(await page(path));
  for (const path of ["/alerts", "/audit", "/tokens", "/cost"]) told.push(await page(path));
  const metrics = await call("/metrics", METRICS_TOKEN);
  told.push(cookie, await metrics.text());
  expect(metrics.status).toBe(200);
  const all = told.join("\n");
  expect(all.length).toBeGreaterThan(10_000);
  for (const secret of secrets) {
    const tail = secret.startsWith("nj_") ? secret.slice(-43) : secret;
    expect(all.includes(tail)).toBe(false);
  }
});
