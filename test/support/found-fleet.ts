import { env } from "cloudflare:workers";
import { systemDeps } from "../../src/core/deps.ts";
import { runBackup } from "../../src/jobs/backup/backup.ts";
import { runMinute } from "../../src/jobs/schedule/minute.ts";
import { MINUTE } from "../../src/plan/duration.ts";
import type { Page } from "../../src/format/pages/page.ts";
import { inlineStep, testContext } from "./context.ts";
import { TursoCloudStandIn } from "./turso-cloud-stand-in.ts";

type Options = NonNullable<Parameters<typeof testContext>[1]>;

export const PLATFORM_TOKEN = "token-of-the-organization";

let organizations = 0;

/** Work that goes on after what began it. */
const pending: Promise<void>[] = [];

/** An organization that no other test has: an isolate keeps its tokens. */
export const newOrganization = () => `org-${Date.now()}-${++organizations}`;

/** A Worker with a stand-in for Turso Cloud, a clock, and channels of alerts that are read here. */
export class FoundFleet {
  readonly cloud: TursoCloudStandIn;
  readonly organization = newOrganization();
  now: number;
  databases: Record<string, object> = {};
  /** Keys of TURSO besides its organization and token. */
  turso: object = {};
  /** Bindings, and what else a test replaces. */
  options: Options = {};
  /** What the channel was told: the first lines. */
  inbox: string[] = [];

  constructor(pages: readonly Page[], now: number) {
    this.now = now;
    this.cloud = new TursoCloudStandIn(pages, () => this.now);
  }

  context(more: Options = {}) {
    const { organization } = this;
    const context = testContext(this.databases, {
      now: () => this.now,
      sleep: async () => undefined,
      fetch: async (url, init) => {
        const { hostname } = new URL(url);
        if (hostname === "127.0.0.1") return systemDeps.fetch(url, init);
        if (hostname !== "alerts.example") return this.cloud.fetch(url, init);
        const { text } = JSON.parse(init.body as string) as { text: string };
        this.inbox.push(text.split("\n")[0]!);
        return new Response("ok");
      },
      alerts: { ops: { type: "slack", url: "OPS_URL" } },
      turso: { organization, token: "PLATFORM_TOKEN", ...this.turso },
      secrets: { PLATFORM_TOKEN, OPS_URL: "https://alerts.example/x" },
      ...this.options,
      ...more,
    });
    return { ...context, keepAlive: (work: Promise<void>) => void pending.push(work) };
  }

  /** Do one minute's work, and all runs that it started. @returns the runs */
  async minute(): Promise<string[]> {
    const context = this.context();
    await runMinute(context, this.now).catch(() => {});
    for (const id of context.started) await runBackup(context, id, inlineStep).catch(() => {});
    this.now += MINUTE;
    return context.started;
  }

  /** Do the work of some minutes. @returns all runs */
  async minutes(count: number): Promise<string[]> {
    const runs: string[] = [];
    for (let at = 0; at < count; at++) runs.push(...(await this.minute()));
    return runs;
  }
}

/** Empty all tables of the catalog that discovery writes to, when all work has ended. */
export async function forgetFleet(): Promise<void> {
  await Promise.all(pending.splice(0));
  for (const table of ["discovered", "databases", "beats", "incidents", "deliveries", "runs"])
    await env.DB.prepare(`DELETE FROM ${table}`).run();
}

/** Read rows of the catalog. */
export async function rowsOf<T extends object>(sql: string, db = env.DB): Promise<T[]> {
  return (await db.prepare(sql).all<T>()).results;
}
