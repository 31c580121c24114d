import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { beforeEach, describe, expect, it } from "vitest";
import { recordBeat } from "../../../src/catalog/watch/beats.ts";
import { openCatalog } from "../../../src/catalog/open.ts";
import { openIncidents } from "../../../src/catalog/watch/incidents.ts";
import { app } from "../../../src/http/app.ts";
import { deliverMessages } from "../../../src/notify/deliver.ts";
import { watchFleet } from "../../../src/notify/watch.ts";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { runMinute } from "../../../src/jobs/schedule/minute.ts";
import { apiOf, askUncompared, ORIGIN } from "../../support/api.ts";
import { testContext } from "../../support/context.ts";
import { failing, KilledError } from "../../support/failing.ts";
import { addBackup, addRun } from "../../support/watched-fleet.ts";

const T0 = Date.UTC(2026, 10, 20, 12);
const SECRETS = { OPS_URL: "https://ops.example/x", TEAM_URL: "https://team.example/x" };
const catalog = openCatalog(env.DB);
let now = T0;
/** What was taken, as `<host>: <title>`. */
let inbox: string[] = [];
/** What a host answers to a text; undefined for 200. */
let answer: (host: string, text: string) => Response | undefined = () => undefined;

function contextOf(
  { ops = {}, team = undefined as object | undefined } = {},
  more: Parameters<typeof testContext>[1] = {},
  databases: Record<string, object> = { shop: {}, blog: {} },
) {
  const entries = Object.entries(databases);
  return testContext(
    Object.fromEntries(
      entries.map(([name, entry]) => [name, { url: "https://x.example", ...entry }]),
    ),
    {
      ...{ now: () => now, secrets: SECRETS },
      alerts: {
        ops: { type: "slack", url: "OPS_URL", ...ops },
        ...(team && { team: { type: "slack", url: "TEAM_URL", ...team } }),
      },
      fetch: async (url, init) => {
        const { text } = JSON.parse(init.body as string) as { text: string };
        const host = new URL(url).hostname.split(".")[0]!;
        const given = answer(host, text);
        if (given !== undefined) return given;
        inbox.push(`${host}: ${text}`);
        return new Response("ok");
      },
      ...more,
    },
  );
}

/** False while the second cron does not run. */
let nights = true;

async function look(context = contextOf()): Promise<void> {
  if (nights) await recordBeat(catalog, "night", { at: now, error: null });
  await watchFleet(context, [...context.config.databases.keys()], now);
  await deliverMessages(context, now);
}

beforeEach(async () => {
  now = T0;
  nights = true;
  inbox = [];
  answer = () => undefined;
  for (const table of ["incidents", "deliveries", "watches", "runs", "backups", "beats"])
    await env.DB.prepare(`DELETE FROM ${table}`).run();
  for (const name of ["shop", "blog"]) {
    await addBackup(catalog, name, T0 - 12 * HOUR);
    await addRun(catalog, name, T0 - 12 * HOUR);
  }
});

describe("an incident", () => {
  it("is told of once, although two crons look at the same time", async () => {
    await addRun(catalog, "shop", T0, "failed");
    await Promise.all([look(), look(), look()]);
    await look();
    expect(inbox).toEqual(["ops: shop: backup failed"]);
    await addRun(catalog, "shop", T0 + MINUTE);
    now += 2 * MINUTE;
    await Promise.all([look(), look(), look()]);
    expect(inbox).toEqual(["ops: shop: backup failed", "ops: Over: shop: backup failed"]);
  });

  it("is told of once, whatever call to the catalog fails or is the last of a Worker", async () => {
    for (const error of [() => new Error("injected"), () => new KilledError()])
      for (let call = 1; ; call++) {
        const inboxBefore = inbox.length;
        await env.DB.prepare("UPDATE backups SET taken_at = ?").bind(now).run();
        await addRun(catalog, "shop", ++now, "failed");
        const broken = failing({ BUCKET: env.BUCKET, DB: env.DB }, "db", call, error);
        await look(contextOf({}, { db: broken.db })).catch(() => {});
        now += DAY / 4; // longer than a message is held by whoever took it
        await look();
        await addRun(catalog, "shop", ++now);
        now += MINUTE;
        await look();
        const told = inbox.slice(inboxBefore);
        // Killed between the channel's answer and its row: the only way to hear it twice.
        const killed = error() instanceof KilledError;
        const twice =
          killed && told.filter((text) => text === "ops: shop: backup failed").length === 2;
        if (!twice)
          expect(told, `${call}: ${broken.what()}`).toEqual([
            "ops: shop: backup failed",
            "ops: Over: shop: backup failed",
          ]);
        if (!broken.happened()) {
          expect(call).toBeGreaterThan(5);
          break;
        }
        await env.DB.prepare("DELETE FROM runs").run();
      }
  });

  it("of one database does not wait for another that cannot be read", async () => {
    await addRun(catalog, "shop", T0, "failed");
    await addBackup(catalog, "blog", T0, { bytes: 5_000_000 });
    await look();
    expect(inbox.toSorted()).toEqual(["ops: blog: size changed", "ops: shop: backup failed"]);
    // Nothing can be compared now; what is open stays open.
    await env.DB.prepare("UPDATE watches SET compared_backup = NULL").run();
    await env.DB.prepare(
      "UPDATE backups SET manifest = json_remove(manifest, '$.tables') WHERE database = 'blog'",
    ).run();
    await addRun(catalog, "shop", T0 + 1);
    now += MINUTE;
    await look();
    expect(inbox.slice(2)).toEqual(["ops: Over: shop: backup failed"]);
    expect(await openIncidents(catalog)).toMatchObject([{ database: "blog" }]);
  });

  it("is over when its database is not configured any more", async () => {
    await addRun(catalog, "shop", T0, "failed");
    await look();
    now += MINUTE;
    await look(contextOf({}, {}, { blog: {} }));
    expect(inbox).toEqual(["ops: shop: backup failed", "ops: Over: shop: backup failed"]);
  });

  it("is told of again every day, unless a channel wants it otherwise", async () => {
    await addRun(catalog, "shop", T0, "failed");
    const context = contextOf({ team: { remind: "never" } });
    for (; now < T0 + 2 * DAY + HOUR; now += HOUR) {
      await env.DB.prepare("UPDATE backups SET taken_at = ?").bind(now).run();
      await look(context);
    }
    expect(inbox.toSorted()).toEqual([
      "ops: Still: shop: backup failed",
      "ops: Still: shop: backup failed",
      "ops: shop: backup failed",
      "team: shop: backup failed",
    ]);
  });
});

describe("a channel", () => {
  it("that is quiet gets warnings in the morning, and what is critical at once", async () => {
    const context = contextOf({ ops: { quiet: "10:00-14:00" } });
    await addRun(catalog, "shop", T0, "failed");
    await addBackup(catalog, "blog", T0, { bytes: 1_300_000 });
    await look(context);
    expect(inbox).toEqual(["ops: shop: backup failed"]);
    now = T0 + 2 * HOUR;
    await look(context);
    expect(inbox).toEqual(["ops: shop: backup failed", "ops: blog: size changed"]);
  });

  it("that is quiet hears of what became critical from its beginning, and in order", async () => {
    const context = contextOf({ ops: { quiet: "10:00-16:00" } });
    await addBackup(catalog, "blog", T0 - HOUR, {
      copy: { state: "failed", error: { message: "x" } },
    });
    await env.DB.prepare("UPDATE backups SET taken_at = ? WHERE database = 'shop'")
      .bind(T0 - 26 * HOUR)
      .run();
    now = T0 + 30 * MINUTE;
    await look(context);
    expect(inbox).toEqual([]);
    now = T0 + 2 * HOUR;
    await env.DB.prepare("UPDATE backups SET taken_at = ? WHERE database = 'shop'")
      .bind(T0 - 61 * HOUR)
      .run();
    await look(context);
    expect(inbox).toEqual(["ops: shop: backup is late", "ops: Worse: shop: backup is late"]);
    await addBackup(catalog, "shop", T0 + HOUR);
    now += MINUTE;
    await look(context);
    expect(inbox.slice(2)).toEqual(["ops: Over: shop: backup is late"]);
    now = T0 + 5 * HOUR;
    await look(context);
    expect(inbox.slice(3)).toEqual(["ops: blog: second copy failed"]);
  });

  it("that was repaired hears of what is still open", async () => {
    await addRun(catalog, "shop", T0, "failed");
    await look(contextOf({ ops: { url: "NO_SUCH" } }));
    expect(inbox).toEqual([]);
    now += MINUTE;
    await look();
    expect(inbox).toEqual(["ops: shop: backup failed"]);
  });

  it("that refuses one message takes the others, and the refused one's end after it", async () => {
    answer = (_, text) =>
      text.startsWith("shop: backup failed") && now < T0 + HOUR
        ? new Response("", { status: 400 })
        : undefined;
    await addRun(catalog, "shop", T0, "failed");
    await addBackup(catalog, "blog", T0, { bytes: 5_000_000 });
    await look();
    await addRun(catalog, "shop", T0 + 1);
    now += 5 * MINUTE;
    await look();
    expect(inbox).toEqual(["ops: blog: size changed"]);
    now = T0 + 3 * HOUR;
    await look();
    expect(inbox.slice(1)).toEqual(["ops: shop: backup failed", "ops: Over: shop: backup failed"]);
  });

  it("that is down is asked less and less often, does not hold up another, and is told of to it", async () => {
    let asked = 0;
    answer = (host) => {
      if (host !== "ops") return undefined;
      asked++;
      throw new TypeError("connection refused");
    };
    await addRun(catalog, "shop", T0, "failed");
    const context = contextOf({ team: {} });
    for (; now < T0 + 5 * HOUR; now += MINUTE) await look(context);
    expect(asked).toBeGreaterThan(6);
    expect(asked).toBeLessThan(12);
    expect(inbox).toEqual(["team: shop: backup failed", "team: Nightjar: alerts do not arrive"]);
    answer = () => undefined;
    now += HOUR;
    await look(context);
    now += MINUTE;
    await look(context);
    expect(inbox.slice(2)).toEqual([
      "ops: shop: backup failed",
      "team: Over: Nightjar: alerts do not arrive",
    ]);
  });

  it("that is down for more than three days loses what waited for it, and says so", async () => {
    answer = () => new Response("", { status: 503 });
    await addRun(catalog, "shop", T0, "failed");
    await look();
    now += 3 * DAY + 2 * HOUR;
    await deliverMessages(contextOf(), now);
    const [row] = await catalog.all<{ abandoned_at: number }>(
      sql`SELECT abandoned_at FROM deliveries`,
    );
    expect(row!.abandoned_at).toBe(now);
  });

  it("that is wrongly configured stops nothing, and the others are told", async () => {
    const context = contextOf({ ops: { url: "NO_SUCH" }, team: {} });
    expect(context.config.databases.get("shop")!.mistakes).toEqual([]);
    await look(context);
    expect(inbox).toEqual(["team: Nightjar: configuration is wrong"]);
    const { channels } = await apiOf(context, askUncompared).json("/v1/alerts/channels");
    expect(channels[0]).toMatchObject({ name: "ops", mistakes: [{ path: "ALERTS.ops.url" }] });
  });
});

describe("Nightjar itself", () => {
  it("is told of where its second cron never ran", async () => {
    nights = false;
    await look();
    expect(inbox).toEqual([]);
    now += 27 * HOUR;
    await env.DB.prepare("UPDATE backups SET taken_at = ?").bind(now).run();
    await look();
    expect(inbox).toEqual(["ops: Nightjar: the night's work failed"]);
  });

  it("takes no channel for down that refuses one message and takes others", async () => {
    answer = (host, text) =>
      host === "ops" && text.startsWith("shop") ? new Response("", { status: 400 }) : undefined;
    const context = contextOf({ team: {} });
    await addRun(catalog, "shop", T0, "failed");
    for (; now < T0 + 4 * HOUR; now += 30 * MINUTE) {
      await addRun(catalog, "blog", now, (now - T0) % HOUR === 0 ? "failed" : "done");
      await look(context);
    }
    expect(inbox.filter((text) => text.includes("alerts do not arrive"))).toEqual([]);
  });

  it("tells of each backup that is bad", async () => {
    await addBackup(catalog, "shop", T0, { verification: "corrupt" });
    await look();
    now += MINUTE;
    await addBackup(catalog, "shop", now, { verification: "corrupt" });
    await look();
    expect(inbox).toEqual(["ops: shop: backup is bad", "ops: shop: backup is bad"]);
  });
});

describe("/v1/alerts", () => {
  it("shows an incident with what was sent, and only what a token reaches", async () => {
    await addRun(catalog, "shop", T0, "failed");
    await addBackup(catalog, "blog", T0, { bytes: 5_000_000 });
    const context = contextOf();
    await look(context);
    const api = apiOf(context, askUncompared);
    const all = await api.json("/v1/alerts?open=true");
    expect(all["incidents"]).toHaveLength(2);
    const [shop] = (await api.json("/v1/alerts?database=shop"))["incidents"];
    expect(shop).toMatchObject({
      rule: "run-failed",
      title: "shop: backup failed",
      closedAt: null,
    });
    expect(await api.json(`/v1/alerts/${shop.id}`)).toMatchObject({
      deliveries: [
        { channel: "ops", kind: "opened", attempts: 1, deliveredAt: expect.any(String) },
      ],
    });
    const { token } = await api.json("/v1/tokens", {
      ...{ name: "blog", scopes: ["read"], databases: ["blog"] },
    });
    const ask = async (path: string) => {
      const headers = { authorization: `Bearer ${token as string}` };
      const response = await app.fetch(new Request(ORIGIN + path, { headers }), context);
      return { status: response.status, body: (await response.json()) as Record<string, any> };
    };
    const own = await ask("/v1/alerts");
    expect(own.body["incidents"].map((one: { database: string }) => one.database)).toEqual([
      "blog",
    ]);
    expect((await ask("/v1/alerts?database=shop")).body["incidents"]).toEqual([]);
    const hidden = await ask(`/v1/alerts/${shop.id}`);
    const missing = await ask("/v1/alerts/000000000000");
    expect([hidden.status, hidden.body["code"]]).toEqual([404, "INCIDENT_NOT_FOUND"]);
    expect(hidden.body["detail"].replace(shop.id, "000000000000")).toBe(missing.body["detail"]);
  });

  it("sends a test to a channel, and returns what it answered", async () => {
    answer = (host) => (host === "team" ? new Response("gone", { status: 410 }) : undefined);
    const api = apiOf(contextOf({ team: {} }));
    const { results } = await api.json("/v1/alerts/test", {}, 200);
    expect(results).toMatchObject([
      { channel: "ops", error: null },
      {
        channel: "team",
        error: { code: "ALERT_REFUSED", message: "Channel team answered 410: gone" },
      },
    ]);
    expect(inbox).toEqual(["ops: Nightjar: test"]);
    const none = await api.call("/v1/alerts/test", { channel: "nobody" });
    expect(none.status).toBe(404);
  });
});

describe("/health", () => {
  const ask = async (context: ReturnType<typeof contextOf>, path = "/health", token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await app.fetch(new Request(ORIGIN + path, { headers }), context);
    return { status: response.status, body: (await response.json()) as Record<string, any> };
  };

  it("is well while the cron is awake and every database that may be seen is fresh", async () => {
    const context = contextOf({}, {}, { shop: { badge: "public" }, blog: {} });
    expect((await ask(context)).body).toMatchObject({ status: "asleep", cron: { at: null } });
    await runMinute(context, now);
    const { healthUrl } = await apiOf(context, askUncompared).json("/v1/databases");
    const key = new URL(healthUrl as string);
    for (const path of ["/health", key.pathname + key.search])
      expect(await ask(context, path)).toMatchObject({ status: 200, body: { status: "ok" } });
    await addRun(catalog, "blog", now, "failed");
    // Without the key, only what is public can be seen.
    expect(await ask(context)).toMatchObject({ status: 200, body: { databases: 1 } });
    expect(await ask(context, key.pathname + key.search)).toMatchObject({
      ...{ status: 503 },
      body: { databases: 2, failing: [{ database: "blog", state: "failed" }] },
    });
    // A monitor with a key of before must not read that all is well.
    expect((await ask(context, "/health?key=x")).status).toBe(401);
    now += 6 * MINUTE;
    expect(await ask(context)).toMatchObject({ status: 503, body: { status: "asleep" } });
  });
});

describe("the minute's work", () => {
  it("tells the outside service that it was done, and that it failed", async () => {
    const beats: string[] = [];
    const more = {
      secrets: { ...SECRETS, HEARTBEAT: "https://beat.example/uuid" },
      fetch: async (url: string) => {
        beats.push(url);
        return new Response("OK");
      },
    };
    await runMinute(contextOf({}, more), now);
    expect(beats).toEqual(["https://beat.example/uuid"]);
    const broken = failing({ BUCKET: env.BUCKET, DB: env.DB }, "db", 1, () => new KilledError());
    await expect(runMinute(contextOf({}, { ...more, db: broken.db }), now)).rejects.toThrow();
    expect(beats.slice(1)).toEqual(["https://beat.example/uuid/fail"]);
  });
});
