import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { recordBeat } from "../../../src/catalog/watch/beats.ts";
import { openCatalog } from "../../../src/catalog/open.ts";
import { app } from "../../../src/http/app.ts";
import { watchFleet } from "../../../src/notify/watch.ts";
import { estimateCost } from "../../../src/plan/cost/estimate.ts";
import { DAY, HOUR } from "../../../src/plan/duration.ts";
import { OPEN_METRICS } from "../../../src/web/open-metrics.ts";
import { apiOf, askUncompared, ORIGIN } from "../../support/api.ts";
import { testContext } from "../../support/context.ts";
import { readOpenMetrics } from "../../support/open-metrics.ts";
import { addBackup, addLog, addRun } from "../../support/watched-fleet.ts";

const NOW = Date.UTC(2026, 10, 20, 12);
const METRICS_TOKEN = "metrics-token-of-24-characters";
const context = testContext(
  {
    shop: { url: "https://shop-acme.turso.io", rpo: "1d", follow: "1m" },
    blog: { url: "https://blog.example", rto: "1m" },
  },
  { now: () => NOW, secrets: { METRICS_TOKEN } },
);

async function ask(token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await app.fetch(new Request(`${ORIGIN}/metrics`, { headers }), context);
  return { answer, text: await answer.text() };
}

/** Values of a family by its database. */
async function values(name: string, token = METRICS_TOKEN): Promise<Record<string, number>> {
  const family = readOpenMetrics((await ask(token)).text).get(name)!;
  return Object.fromEntries(
    family.samples.map(({ labels, value }) => [Object.values(labels).join(" "), value]),
  );
}

beforeAll(async () => {
  const catalog = openCatalog(env.DB);
  await addBackup(catalog, "shop", NOW - 36 * HOUR, { bytes: 900_000 });
  await addBackup(catalog, "shop", NOW - 12 * HOUR, { drill: null, verification: null });
  await addRun(catalog, "shop", NOW - 36 * HOUR);
  await addRun(catalog, "shop", NOW - 12 * HOUR, "failed");
  await addLog(catalog, "shop", NOW - 2 * HOUR, 5000);
  await recordBeat(catalog, "minute", { at: NOW - 1000, error: null });
  await watchFleet(context, [...context.config.databases.keys()], NOW);
});

describe("/metrics", () => {
  it("tells every number of every database", async () => {
    const { answer, text } = await ask(METRICS_TOKEN);
    expect(answer.headers.get("content-type")).toBe(OPEN_METRICS);
    const families = readOpenMetrics(text);
    expect(families.size).toBeGreaterThan(20);
    expect(await values("nightjar_databases")).toEqual({ "": 2 });
    expect(await values("nightjar_databases_unprotected")).toEqual({ "": 1 });
    expect(await values("nightjar_database_state")).toMatchObject({
      ...{ "shop failed": 1, "shop fresh": 0, "blog none": 1 },
    });
    const at = (hours: number) => (NOW - hours * HOUR) / 1000;
    expect(await values("nightjar_last_backup_timestamp_seconds")).toEqual({ shop: at(12) });
    expect(await values("nightjar_last_verified_timestamp_seconds")).toEqual({ shop: at(36) });
    expect(await values("nightjar_last_drilled_timestamp_seconds")).toEqual({ shop: at(36) });
    expect(await values("nightjar_recovery_point_seconds")).toEqual({ shop: 7200 });
    expect(await values("nightjar_recovery_point_objective_seconds")).toEqual({ shop: 86_400 });
    expect(await values("nightjar_recovery_time_seconds")).toEqual({ shop: 1 });
    expect(await values("nightjar_recovery_time_objective_seconds")).toEqual({ blog: 60 });
    expect(await values("nightjar_log_lag_seconds")).toEqual({ shop: 7200 });
    expect(await values("nightjar_log_window_seconds")).toEqual({ shop: 7200 });
    expect(await values("nightjar_log_bytes")).toMatchObject({ shop: 5000 });
    expect(await values("nightjar_backups")).toEqual({ "shop daily": 2 });
    expect(await values("nightjar_last_backup_raw_bytes")).toEqual({ shop: 1_000_000 });
    expect(await values("nightjar_runs")).toEqual({ "shop done": 1, "shop failed": 1 });
    expect(await values("nightjar_incidents")).toMatchObject({ critical: 2 });
    expect(await values("nightjar_work_timestamp_seconds")).toEqual({ minute: NOW / 1000 - 1 });
  });

  it("takes its own token and one with the scope read, and shows what that reaches", async () => {
    expect((await ask()).answer.status).toBe(401);
    expect((await ask(`${METRICS_TOKEN}x`)).answer.status).toBe(401);
    expect((await apiOf(context, askUncompared).call("/v1/databases")).status).toBe(200);
    const { token } = await apiOf(context, askUncompared).json("/v1/tokens", {
      ...{ name: "blog", scopes: ["read"], databases: ["blog"] },
    });
    const { text } = await ask(token as string);
    expect(text).toContain('database="blog"');
    expect(text).not.toContain("shop");
  });

  it("has a token that opens nothing else", async () => {
    for (const path of ["/v1/databases", "/v1/tokens", "/health/blog"]) {
      const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
      const answer = await app.fetch(new Request(ORIGIN + path, { headers }), context);
      expect(answer.status, path).toBe(401);
    }
  });
});

describe("/v1/cost", () => {
  it("estimates each database by what was done, and only those that a token reaches", async () => {
    const { total, databases, currency } = await apiOf(context, async (...asked) =>
      app.fetch(...asked),
    ).json("/v1/cost");
    expect(currency).toBe("USD");
    const [shop, blog] = ["shop", "blog"].map((name) =>
      databases.find((one: { database: string }) => one.database === name),
    );
    expect(shop.storage.daily).toBeCloseTo(((1_900_000 / 3) * 0.015) / 1e9, 12);
    expect(shop.storage.log).toBeCloseTo((5000 * 0.015) / 1e9, 12);
    expect(shop.source).toBeGreaterThan(0);
    expect(blog).toMatchObject({ storage: {}, operations: 0, source: 0 });
    expect(total).toBeCloseTo(shop.total + blog.total, 12);
  });

  it("is what the price list says for a known month", () => {
    const cost = estimateCost({
      storedByTier: { daily: 30e9, weekly: 10e9 },
      ...{ pinnedBytes: 1e9, logBytes: 2e9, backups: 30, backupRawBytes: 30e9 },
      ...{ backupStoredBytes: 10e9, runs: 30, segments: 0, segmentBytes: 4e9 },
      ...{ pulls: (30 * DAY) / 60_000, dumpRows: 1e9, turso: true },
    });
    const prices = { daily: 0.45, weekly: 0.15, pinned: 0.015, log: 0.03 };
    expect(Object.keys(cost.storage)).toEqual(Object.keys(prices));
    for (const [tier, price] of Object.entries(prices))
      expect(cost.storage[tier], tier).toBeCloseTo(price, 9);
    // 14 GB of parts of 5 MiB and five more writes of each backup; 20 GB of ranges of 8 MiB and 20 more reads.
    expect(cost.operations).toBeCloseTo(2820 * 4.5e-6 + 2984 * 0.36e-6, 4);
    expect(cost.source).toBeCloseTo(1 + 4 * 0.35, 9);
    expect(cost.compute).toBeGreaterThan(0.03);
    expect(cost.total).toBeCloseTo(0.645 + cost.operations + cost.compute + cost.source, 9);
  });
});
