import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { recordBeat } from "../../../src/catalog/watch/beats.ts";
import { openCatalog } from "../../../src/catalog/open.ts";
import { deliverMessages } from "../../../src/notify/deliver.ts";
import { watchFleet } from "../../../src/notify/watch.ts";
import type { Rule } from "../../../src/plan/alerts/alert.ts";
import { headline } from "../../../src/plan/alerts/incidents.ts";
import { DAY, HOUR } from "../../../src/plan/duration.ts";
import { env } from "cloudflare:workers";
import { chanceOf } from "../../support/chance.ts";
import { testContext } from "../../support/context.ts";
import { addBackup, addLog, addRun } from "../../support/watched-fleet.ts";

/**
 * A month in the life of a fleet: 30 databases, 20 incidents of each kind, and five channels that are each
 * down for hours. Every channel must get exactly one opening and one closing message of each incident.
 */
const BEGIN = Date.UTC(2026, 0, 1);
const MONTH = 30 * DAY;
const STEP = HOUR;
const FLEET = Array.from({ length: 30 }, (_, at) => `db-${String(at).padStart(2, "0")}`);
const EACH = 20;

const CHANNELS = {
  hook: { type: "webhook", url: "HOOK_URL", secret: "HOOK_SECRET" },
  chat: { type: "discord", url: "CHAT_URL" },
  room: { type: "slack", url: "ROOM_URL" },
  pager: { type: "pagerduty", key: "PAGER_KEY" },
  mail: { type: "email", from: "nightjar@acme.dev", to: ["ops@acme.dev"] },
} as const;
type ChannelName = keyof typeof CHANNELS;
const NAMES = Object.keys(CHANNELS) as ChannelName[];
const SECRETS = {
  HOOK_URL: "https://hook.example/a",
  HOOK_SECRET: `whsec_${btoa("0123456789abcdef0123456789abcdef")}`,
  CHAT_URL: "https://chat.example/a",
  ROOM_URL: "https://room.example/a",
  PAGER_KEY: "0123456789",
};

/** How each kind of incident is brought about in the catalog or the configuration, and ended. */
const KINDS = [
  "late",
  "run-failed",
  "proof-failed",
  "unverified",
  "size-changed",
  "rows-dropped",
  "log-behind",
  "log-large",
  "objective",
  "copy-failed",
  "misconfigured",
  "token-expiring",
  "retention-pinning",
  "night-failed",
] as const satisfies readonly Rule[];
type Kind = (typeof KINDS)[number];

interface Planned {
  readonly kind: Kind;
  readonly database: string | null;
  readonly from: number;
  readonly to: number;
}

/** Kinds that need a silence of more than a day before they show. */
const SLOW: readonly Kind[] = ["late", "unverified"];
/** Kinds that share the rows of a database: only one of them at a time for each database. */
const HOW: Record<Kind, string> = {
  late: "backups",
  "proof-failed": "backups",
  unverified: "backups",
  "size-changed": "backups",
  "rows-dropped": "backups",
  "copy-failed": "backups",
  "retention-pinning": "backups",
  "run-failed": "runs",
  "log-behind": "log",
  "log-large": "log",
  objective: "drill",
  misconfigured: "entry",
  "token-expiring": "token",
  "night-failed": "night",
};

/** Plan incidents at random that do not overlap where they would be the same one. */
function planMonth(random: () => number): Planned[] {
  const planned: Planned[] = [];
  for (const kind of KINDS)
    for (let count = 0; count < EACH;) {
      const database = kind === "night-failed" ? null : FLEET[Math.floor(random() * FLEET.length)]!;
      const length = SLOW.includes(kind) ? (34 + random() * 10) * HOUR : (2 + random() * 6) * HOUR;
      const from = BEGIN + 2 * DAY + random() * (MONTH - 6 * DAY);
      const to = from + length;
      const clashes = planned.some(
        (other) =>
          other.database === database &&
          (HOW[other.kind] === HOW[kind] || [other.kind, kind].includes("misconfigured")) &&
          from < other.to + 3 * HOUR &&
          other.from < to + 3 * HOUR,
      );
      if (clashes) continue;
      planned.push({ kind, database, from, to });
      count++;
    }
  return planned;
}

/** What a channel was sent, as one title after the other. */
type Inbox = Record<ChannelName, string[]>;

describe("a month of alerts", () => {
  it("tells each channel once when an incident begins, and once when it ends", async () => {
    const seed = Date.now() % 1_000_000;
    const random = chanceOf(seed).next;
    const month = planMonth(random);
    const outages = NAMES.flatMap((channel, at) =>
      [0, 1, 2].map((which) => {
        const from = BEGIN + DAY + (which * 9 + at) * DAY + random() * 12 * HOUR;
        return { channel, from, to: from + 2 * HOUR + random() * 8 * HOUR };
      }),
    );
    const inbox: Inbox = { hook: [], chat: [], room: [], pager: [], mail: [] };
    const ids = new Set<string>();
    let now = BEGIN;

    const refusal = (channel: ChannelName): Response | undefined => {
      if (!outages.some((out) => out.channel === channel && now >= out.from && now < out.to))
        return undefined;
      const way = Math.floor(random() * 4);
      if (way === 0) throw new TypeError("connection refused");
      if (way === 1)
        return new Response("later", { status: 429, headers: { "retry-after": "60" } });
      return new Response("no", { status: way === 2 ? 503 : 404 });
    };
    const receive = async (url: string, init: RequestInit): Promise<Response> => {
      const body = JSON.parse(init.body as string) as Record<string, any>;
      const host = new URL(url).hostname;
      const channel = (
        {
          "hook.example": "hook",
          "chat.example": "chat",
          "room.example": "room",
          "events.pagerduty.com": "pager",
        } as const
      )[host];
      if (channel === undefined) throw new Error(`nobody is at ${host}`);
      const refused = refusal(channel);
      if (refused !== undefined) return refused;
      if (channel === "hook") {
        const id = new Headers(init.headers).get("webhook-id")!;
        expect(ids.has(id), id).toBe(false);
        ids.add(id);
        inbox.hook.push(body["data"].title as string);
      } else if (channel === "chat") inbox.chat.push(body["embeds"][0].title as string);
      else if (channel === "room") inbox.room.push(body["text"] as string);
      else {
        const { summary } = body["payload"] as { summary: string };
        inbox.pager.push(summary.slice(0, summary.indexOf(". ")));
      }
      return new Response("ok", { status: 200 });
    };
    const email = {
      send: async ({ subject }: { subject: string }) => {
        const refused = refusal("mail");
        if (refused !== undefined) throw new Error("mailbox unavailable");
        inbox.mail.push(subject.replace("[Nightjar] ", ""));
      },
    };

    const active = (kind: Kind) =>
      month.filter((one) => one.kind === kind && now >= one.from && now < one.to);
    const of = (kind: Kind) => new Set(active(kind).map(({ database }) => database!));

    const contextNow = () => {
      const wrong = of("misconfigured");
      const expiring = of("token-expiring");
      const jwt = (exp: number) => `x.${btoa(JSON.stringify({ exp }))}.x`;
      const databases = Object.fromEntries(
        FLEET.map((name) => [
          name,
          {
            ...{ url: "https://db.example", schedule: "0 0 * * *", rto: "10s" },
            ...{ follow: "1m", token: expiring.has(name) ? "OLD_TOKEN" : "TOKEN" },
            ...(wrong.has(name) && { attempts: 99 }),
          },
        ]),
      );
      return testContext(databases, {
        ...{ now: () => now, fetch: receive, email, alerts: CHANNELS },
        secrets: {
          ...SECRETS,
          TOKEN: jwt((BEGIN + 100 * DAY) / 1000),
          OLD_TOKEN: jwt((now + 5 * DAY) / 1000),
        },
      });
    };

    const catalog = openCatalog(env.DB);
    for (const name of FLEET) {
      await addBackup(catalog, name, BEGIN);
      await addRun(catalog, name, BEGIN);
      await addLog(catalog, name, BEGIN);
    }
    /** Bring the catalog into the state of now. */
    let before = new Set<Planned>();
    const advance = async () => {
      const current = new Set(month.filter((one) => now >= one.from && now < one.to));
      for (const one of current) if (!before.has(one)) await begin(one);
      for (const one of before) if (!current.has(one)) await end(one);
      before = current;
      const list = (...kinds: Kind[]) => JSON.stringify(kinds.flatMap((kind) => [...of(kind)]));
      const among = "database IN (SELECT value FROM json_each(?))";
      const newest = `id IN (SELECT (SELECT id FROM backups b WHERE b.database = n.value
        ORDER BY taken_at DESC, id DESC LIMIT 1) FROM json_each(?) n)`;
      const change = (text: string, ...values: unknown[]) => env.DB.prepare(text).bind(...values);
      await env.DB.batch([
        // The newest backup is as new as it should be, and was drilled in a second: also one of just now.
        change(
          `UPDATE backups SET taken_at = ? WHERE ${newest} AND NOT ${among}`,
          ...[now, JSON.stringify(FLEET), list("late")],
        ),
        change(`UPDATE lineages SET checked_at = ? WHERE NOT ${among}`, now, list("log-behind")),
        change(`UPDATE segments SET bytes = iif(${among}, 20000000000, 1000)`, list("log-large")),
        change(
          `UPDATE backups SET drill = json_set(drill, '$.recoveryMs', iif(${among}, 60000, 1000))`,
          list("objective"),
        ),
      ]);
      const failed = active("night-failed").length > 0;
      const error = failed ? { code: "STORE_FAILED", message: "R2 is ill.", hint: "Wait." } : null;
      await recordBeat(catalog, "night", { at: now, error: error as never });
    };
    const begin = async ({ kind, database }: Planned) => {
      const name = database!;
      if (kind === "run-failed") await addRun(catalog, name, now, "failed");
      if (kind === "proof-failed")
        await addBackup(catalog, name, now + 1, { verification: "corrupt" });
      if (kind === "size-changed") await addBackup(catalog, name, now + 1, { bytes: 2_000_000 });
      if (kind === "rows-dropped") {
        const tables = [{ name: "orders", rows: 100 }];
        await addBackup(catalog, name, now + 1, { tables });
      }
      // A new one every hour, and none of them is read back.
      if (kind === "unverified")
        await addBackup(catalog, name, now + 1, { verification: null, drill: null });
      if (kind === "copy-failed") {
        const copy = { state: "failed", error: { message: "The store is full." } };
        await addBackup(catalog, name, now + 1, { copy });
      }
      if (kind === "retention-pinning") await addBackup(catalog, name, now - DAY, { pin: true });
    };
    const end = async ({ kind, database }: Planned) => {
      const name = database!;
      if (kind === "run-failed") await addRun(catalog, name, now);
      if (HOW[kind] !== "backups") return;
      // As a prune and the next run leave it: one sound backup.
      await catalog.run(sql`DELETE FROM backups WHERE database = ${name}`);
      await addBackup(catalog, name, now);
    };

    for (; now < BEGIN + MONTH + 3 * DAY; now += STEP) {
      await advance();
      const context = contextNow();
      await watchFleet(context, [...context.config.databases.keys()], now);
      await deliverMessages(context, now);
      // Another cron that overlaps with this one sends nothing twice.
      if (random() < 0.1) await deliverMessages(context, now);
    }

    const expected = new Map<string, number>();
    for (const { kind, database } of month) {
      const title = headline({ rule: kind, database });
      expected.set(title, (expected.get(title) ?? 0) + 1);
    }
    for (const channel of NAMES) {
      const told = inbox[channel].filter((title) => !/^(Still|Worse): /.test(title));
      const wrong: string[] = [];
      for (const [title, count] of expected) {
        const own = told.filter((one) => one === title || one === `Over: ${title}`);
        const alternating = own.every((one, at) => one.startsWith("Over: ") === (at % 2 === 1));
        if (own.length !== 2 * count || !alternating) wrong.push(`${title}: ${own.join(" | ")}`);
      }
      expect(wrong, `${channel}, seed ${seed}`).toEqual([]);
      const others = told.filter((one) => !expected.has(one.replace("Over: ", "")));
      // Beyond these, only the outages of the other channels are told of.
      for (const other of others) expect(other).toMatch(/alerts do not arrive$/);
      expect(others.length % 2).toBe(0);
    }
    expect(month).toHaveLength(KINDS.length * EACH);
    const left = await catalog.all(
      sql`SELECT id FROM deliveries WHERE delivered_at IS NULL UNION SELECT id FROM incidents WHERE closed_at IS NULL`,
    );
    expect(left).toEqual([]);
  }, 300_000);
});
