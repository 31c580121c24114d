import { beforeEach, describe as group, expect, it } from "vitest";
import { listAudit } from "../../../src/catalog/access/audit.ts";
import { newestBackup } from "../../../src/catalog/backups.ts";
import {
  enterRefresh,
  findRefresh,
  lastRefreshes,
  type NewRefresh,
  updateRefresh,
} from "../../../src/catalog/refreshes.ts";
import type { NewRun } from "../../../src/catalog/runs.ts";
import { openIncidents } from "../../../src/catalog/watch/incidents.ts";
import { app } from "../../../src/http/app.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { runProof } from "../../../src/jobs/proof/run-proof.ts";
import { runRefresh } from "../../../src/jobs/refresh/run-refresh.ts";
import { startRefresh } from "../../../src/jobs/refresh/start.ts";
import { watchFleet } from "../../../src/notify/watch.ts";
import { DAY } from "../../../src/plan/duration.ts";
import type { Context } from "../../../src/worker/context.ts";
import { apiOf, askApp, ORIGIN } from "../../support/api.ts";
import { backUp, inlineStep, manualRun, testContext } from "../../support/context.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";
import { originalsIn } from "../../support/originals.ts";
import { PageDatabase } from "../../support/page-database.ts";

const SCHEMA = `
  CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT UNIQUE, age INTEGER CHECK (age < 150));
  INSERT INTO users VALUES (1, 'ada@people.example', 36), (2, 'bob@people.example', 79);`;
const ORIGINALS = ["ada@people.example", "bob@people.example"];
const RULES = { users: { id: "keep", email: "fake: email", age: "keep" } };
const SECRETS = { K: "a-key-of-more-than-24-characters" };

let shop: PageDatabase;
let staging: PageDatabase;
/** The names of the two, which no other test has. */
let from: string;
let into: string;
let tests = 0;

beforeEach(async () => {
  [from, into] = [`shop-${++tests}`, `staging-${tests}`];
  shop = await PageDatabase.create(SCHEMA);
  staging = await PageDatabase.create("CREATE TABLE mine(a); INSERT INTO mine VALUES (7)");
});

interface Wanted {
  readonly refresh?: object;
  readonly rules?: object;
  readonly shop?: object;
  readonly staging?: object;
  readonly now?: () => number;
}

/** A context whose runs are carried out when they are started: those that save the target. */
function contextOf({ refresh = {}, rules = RULES, now, ...entries }: Wanted = {}) {
  const own = testContext(
    {
      [from]: {
        ...{ ...shop.config, ...entries.shop, sanitize: { key: "K", rules } },
        refresh: { into, ...refresh },
      },
      [into]: { ...staging.config, ...entries.staging },
    },
    { secrets: SECRETS, ...(now && { now }) },
  );
  const workflows = {
    ...own.workflows,
    create: (id: string) => runBackup(own, id, inlineStep).catch(() => undefined),
  };
  return { ...own, workflows };
}

let runs = 0;
const scheduled = (): NewRun => ({
  ...manualRun(from, `${from}-scheduled-${runs++}`),
  ...{ trigger: "cron", tier: "daily", scheduledFor: Date.now() },
});

/** Back up as the schedule does, and run the refresh that this has started. */
async function night(context: ReturnType<typeof contextOf>) {
  const { backupId } = await backUp(context, scheduled());
  const id = context.refreshesStarted.at(-1)!;
  expect(id).toBe(`${from}-${backupId}`);
  await runRefresh(context, id, inlineStep).catch(() => undefined);
  return (await findRefresh(context.catalog, id))!;
}

const valuesOf = async (database: PageDatabase, sql: string) =>
  (await database.client.execute(sql)).rows.map((row) => Array.from(row));
const tablesOf = async (database: PageDatabase) =>
  (await valuesOf(database, "SELECT name FROM sqlite_schema WHERE type = 'table'")).flat();

group("a refresh begins", () => {
  it.each(["backup", "verify", "drill"] as const)(
    "once after the %s of a scheduled backup, and of no other",
    async (after) => {
      const context = contextOf({ refresh: { after } });
      await backUp(context, manualRun(from));
      expect(context.refreshesStarted).toEqual([]);
      const { backupId } = await backUp(context, scheduled());
      expect(context.refreshesStarted).toEqual([`${from}-${backupId}`]);
      // Later proofs of the same backup start nothing.
      for (const act of ["verify", "drill"] as const)
        await runProof(context, backupId!, act, inlineStep);
      expect(context.refreshesStarted).toHaveLength(1);
    },
  );

  it("after a drill of its own, where the run has held none, and never turns back", async () => {
    const before = contextOf({ refresh: { after: "verify" } });
    // Backups of before there was a refresh.
    const plain = testContext({ [from]: shop.config });
    const [first, second] = [
      (await backUp(plain, scheduled())).backupId!,
      (await backUp(plain, scheduled())).backupId!,
    ];
    await runProof(before, second, "verify", inlineStep);
    await runProof(before, first, "verify", inlineStep);
    expect(before.refreshesStarted).toEqual([`${from}-${second}`]);
  });

  it("not where the database has none, and fails neither backup nor proof where it cannot", async () => {
    const plain = testContext({ [from]: shop.config });
    expect((await backUp(plain, scheduled())).state).toBe("done");
    expect(plain.refreshesStarted).toEqual([]);
    const broken = {
      ...contextOf(),
      refreshes: {
        start: () => Promise.reject(new Error("no Workflow")),
        status: async () => "missing" as const,
      },
    };
    expect(await backUp(broken, scheduled())).toMatchObject({ state: "done", error: null });
  });
});

group("a refresh", () => {
  it("saves what the target holds the first time, and replaces it with masks", async () => {
    const context = contextOf();
    const refresh = await night(context);
    expect(refresh).toMatchObject({
      ...{ state: "done", into, attempt: 1, tables: 1, rows: 2, error: null },
      ...{ sanitized: true, trigger: "schedule" },
    });
    const saved = (await newestBackup(context.catalog, into))!;
    expect(refresh.saved).toBe(saved.id);
    expect(saved.manifest.tables).toMatchObject([{ name: "mine", rows: 1 }]);
    expect(await tablesOf(staging)).toEqual(["users"]);
    expect(originalsIn(await databaseBytes(staging.client), ORIGINALS)).toEqual([]);
    expect(await valuesOf(staging, "SELECT id, age FROM users ORDER BY id")).toEqual([
      ...[
        [1, 36],
        [2, 79],
      ],
    ]);
    const acts = await listAudit(context.catalog, { action: "refresh" }, 10);
    expect(acts.map(({ outcome, subject }) => [outcome, subject])).toEqual([
      ...[
        ["done", refresh.id],
        ["started", refresh.id],
      ],
    ]);
  });

  it("replaces its own copy the next nights without saving it, whatever was added", async () => {
    const context = contextOf();
    await night(context);
    const kept = (await newestBackup(context.catalog, into))!.id;
    await staging.exec("CREATE TABLE added(a); DELETE FROM users WHERE id = 1");
    await shop.exec("INSERT INTO users VALUES (3, 'cy@people.example', 5)");
    expect(await night(context)).toMatchObject({ state: "done", rows: 3, saved: null });
    expect(await tablesOf(staging)).toEqual(["users"]);
    expect((await newestBackup(context.catalog, into))!.id).toBe(kept);
  });

  it("saves again what is at another address, or was not refreshed for long", async () => {
    let now = Date.now();
    const options = { now: () => now };
    await night(contextOf(options));
    now += 41 * DAY;
    expect((await night(contextOf(options))).saved).not.toBeNull();
    now += DAY;
    const other = await PageDatabase.create("CREATE TABLE theirs(a)");
    const { saved } = await night(contextOf({ ...options, staging: other.config }));
    expect((await newestBackup(contextOf().catalog, into))!.id).toBe(saved);
  });

  it("gives values as they are where the configuration says so", async () => {
    expect(await night(contextOf({ refresh: { sanitize: false } }))).toMatchObject({
      ...{ state: "done", sanitized: false, rows: 2 },
    });
    expect(await valuesOf(staging, "SELECT email FROM users ORDER BY id")).toEqual([
      ...ORIGINALS.map((email) => [email]),
    ]);
  });

  it("that is killed at any request to the target is done by the next try", async () => {
    const context = contextOf();
    let requests = Infinity;
    const namespace = btoa(staging.namespace).replace(/=+$/, "");
    for (let at = 1; ; at++) {
      await staging.exec("DROP TABLE IF EXISTS users; CREATE TABLE IF NOT EXISTS mine(a)");
      // Each is the first one, which saves the target.
      await context.catalog.run("UPDATE refreshes SET url = 'https://elsewhere.example'");
      const { backupId } = await backUp(context, scheduled());
      const id = `${from}-${backupId}`;
      requests = at;
      const dying: Context = {
        ...context,
        deps: {
          ...context.deps,
          sleep: async () => {},
          async fetch(url, init) {
            const ours = new Headers(init.headers).get("x-namespace-bin") === namespace;
            // After every other request that is killed, the server has carried it out.
            if (!ours || --requests > 0) return context.deps.fetch(url, init);
            if (requests === 0 && at % 2 === 0)
              await (await context.deps.fetch(url, init)).arrayBuffer();
            throw new Error("killed");
          },
        },
      };
      // What kills a Worker records nothing: the Workflow runs the step again.
      const once = { do: (_: string, ...rest: unknown[]) => (rest.at(-1) as () => unknown)() };
      await runRefresh(dying, id, once as typeof inlineStep).catch(() => undefined);
      const isOver = requests > 0;
      if (!isOver) await undoEnd(context, id);
      await runRefresh(context, id, inlineStep);
      expect(await findRefresh(context.catalog, id), `request ${at}`).toMatchObject({
        state: "done",
      });
      expect(await tablesOf(staging)).toEqual(["users"]);
      expect(await valuesOf(staging, "SELECT count(*) FROM users")).toEqual([[2]]);
      if (isOver) {
        expect(at).toBeGreaterThan(8);
        return;
      }
    }
  });

  it("whose target is away fails alone, is told, and is over with the next good one", async () => {
    const away = contextOf({ staging: { url: "http://127.0.0.1:9" } });
    const deps = { ...away.deps, sleep: async () => {} };
    const failed = await night({ ...away, deps });
    expect(failed).toMatchObject({
      ...{ state: "failed", attempt: 6, error: { code: "TARGET_UNREACHABLE" } },
    });
    const runsOfShop = await apiOf(away).json(`/v1/runs?database=${from}&limit=1`);
    expect(runsOfShop["runs"]).toMatchObject([{ state: "done", error: null }]);
    const incidents = async (context: Context) => {
      await watchFleet(context, [...context.config.databases.keys()], Date.now());
      return (await openIncidents(context.catalog)).filter(({ rule }) => rule === "refresh-failed");
    };
    expect(await incidents(away)).toMatchObject([
      {
        ...{ database: from, severity: "warning" },
        summary: expect.stringContaining(`The refresh of ${into} from ${from} failed: `),
        hint: expect.stringContaining(`\`nightjar refresh ${from}\``),
      },
    ]);
    const [act] = await listAudit(away.catalog, { action: "refresh" }, 1);
    expect(act).toMatchObject({ outcome: "failed", database: from });
    const well = contextOf();
    await night(well);
    expect(await incidents(well)).toEqual([]);
  });

  it("whose target refuses a mask is not tried in vain, and leaves the target marked", async () => {
    const context = contextOf({ rules: { users: { ...RULES.users, age: "fixed: 200" } } });
    const failed = await night(context);
    expect(failed).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { code: "RESTORE_INCOMPLETE" },
    });
    expect(failed.error!.message).toContain("CHECK constraint failed");
    expect(await tablesOf(staging)).toContain("_nightjar_restore");
    expect(await night(contextOf())).toMatchObject({ state: "done" });
    expect(await tablesOf(staging)).toEqual(["users"]);
  });

  it("of a column without a rule leaves the target as it is", async () => {
    const { email, ...less } = RULES.users;
    expect(email).toBe("fake: email");
    const failed = await night(contextOf({ rules: { users: less } }));
    expect(failed).toMatchObject({ state: "failed", error: { code: "SANITIZE_RULES" } });
    expect(await tablesOf(staging)).toEqual(["mine"]);
  });

  it("that was begun for another configuration changes nothing", async () => {
    const context = contextOf();
    const { backupId } = await backUp(context, scheduled());
    const id = `${from}-${backupId}`;
    const other = await PageDatabase.create("CREATE TABLE theirs(a)");
    for (const changed of [{ refresh: { sanitize: false } }, { staging: other.config }]) {
      await context.catalog.run("UPDATE refreshes SET state = 'queued', ended_at = NULL");
      await expect(runRefresh(contextOf(changed), id, inlineStep)).rejects.toThrow("has changed");
    }
    expect(await tablesOf(other)).toEqual(["theirs"]);
    expect(await tablesOf(staging)).toEqual(["mine"]);
  });

  it("remembers the last ones, and the last good one in any case", async () => {
    const { catalog } = contextOf();
    const of = (at: number): NewRefresh => ({
      ...{ id: `${from}-${at}`, database: from, into, url: "https://x", namespace: null },
      ...{ backup: `${at}`, takenAt: at, asOf: at, sanitized: true },
      trigger: "schedule",
    });
    for (let at = 0; at < 40; at++) {
      await enterRefresh(catalog, of(at), at);
      await updateRefresh(catalog, `${from}-${at}`, {
        state: at === 3 ? "done" : "failed",
        endedAt: at,
      });
    }
    const { last, lastGood } = (await lastRefreshes(catalog, [from])).get(from)!;
    expect([last?.id, lastGood?.id]).toEqual([`${from}-39`, `${from}-3`]);
    expect(await findRefresh(catalog, `${from}-9`)).toBeUndefined();
    expect(await findRefresh(catalog, `${from}-10`)).toBeDefined();
  });
});

/** Undo the end that a killed Worker would not have recorded. */
async function undoEnd({ catalog }: Context, id: string): Promise<void> {
  await catalog.run(`UPDATE refreshes SET state = 'running', ended_at = NULL WHERE id = '${id}'`);
}

group("the page", () => {
  it("shows a refresh, starts one, and tells why it failed", async () => {
    const context = contextOf({ rules: {} });
    await backUp(context, manualRun(from));
    const ask = (path: string, form?: Record<string, string>, cookie = "") =>
      app.fetch(
        new Request(ORIGIN + path, {
          method: form === undefined ? "GET" : "POST",
          headers: { accept: "text/html", origin: ORIGIN, cookie },
          ...(form !== undefined && { body: new URLSearchParams(form) }),
          redirect: "manual",
        }),
        context,
      );
    const { token } = await apiOf(context).json("/v1/tokens", {
      ...{ name: "t", scopes: ["read", "restore"] },
    });
    const signedIn = await ask("/sign-in", { token: token as string });
    const cookie = signedIn.headers.get("set-cookie")!.split(";")[0]!;
    const shown = async (path: string) => (await ask(path, undefined, cookie)).text();
    expect(await shown(`/databases/${from}`)).toContain(`Refresh ${into} now`);
    expect(await shown(`/databases/${into}`)).not.toContain("Refresh");
    expect((await ask(`/databases/${from}/refresh`, {}, cookie)).status).toBe(303);
    const [id] = context.refreshesStarted;
    await runRefresh(context, id!, inlineStep).catch(() => undefined);
    expect(await shown(`/databases/${from}`)).toMatch(/was not refreshed: .*SANITIZE_RULES/s);
    expect(await shown("/")).toMatch(/failed<\/span> staging-/);
  });
});

group("POST /v1/databases/:db/refresh", () => {
  it("starts one with the newest proven backup, and the same while it goes on", async () => {
    const context = contextOf();
    const api = apiOf(context);
    expect(await api.json(`/v1/databases/${from}/refresh`, {}, 409)).toMatchObject({
      ...{ code: "REFRESH_UNAVAILABLE", detail: `${from} has no backup whose drill passed.` },
    });
    const { backupId } = await backUp(context, manualRun(from));
    const started = await api.json(`/v1/databases/${from}/refresh`, {}, 202);
    expect(started).toMatchObject({
      state: "queued",
      backup: backupId,
      trigger: "api",
      into,
    });
    expect((await api.json(`/v1/databases/${from}/refresh`, {}, 202))["id"]).toBe(started["id"]);
    expect(context.refreshesStarted).toEqual([started["id"]]);
    await runRefresh(context, started["id"] as string, inlineStep);
    const { refresh } = await api.json(`/v1/databases/${from}`);
    expect(refresh).toMatchObject({
      ...{ into, after: "drill", sanitize: true },
      last: { id: started["id"], state: "done", rows: 2 },
      lastGood: { id: started["id"] },
    });
    const metrics = new TextDecoder().decode(await api.bytes("/metrics"));
    expect(metrics).toContain(`nightjar_last_refresh_timestamp_seconds{database="${from}"} `);
    expect((await api.json(`/v1/databases/${into}`))["refresh"]).toBeNull();
  });

  it("takes one whose Workflow is gone for failed", async () => {
    const context = contextOf();
    await backUp(context, manualRun(from));
    const lost = await startRefresh(context, from);
    context.refreshesStarted.length = 0;
    const next = await startRefresh(context, from);
    expect(next.id).not.toBe(lost.id);
    expect(await findRefresh(context.catalog, lost.id)).toMatchObject({
      ...{ state: "failed", error: { code: "REFRESH_LOST" } },
    });
  });

  it("needs the scope restore, and reaches both databases", async () => {
    const context = contextOf();
    await backUp(context, manualRun(from));
    const ask = async (scopes: string[], databases?: string[]) => {
      const { token } = await apiOf(context).json("/v1/tokens", { name: "t", scopes, databases });
      const request = new Request(`${ORIGIN}/v1/databases/${from}/refresh`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: "{}",
      });
      return (await askApp(request, context)).status;
    };
    expect(await ask(["read", "backup", "download"])).toBe(403);
    expect(await ask(["restore"], [from])).toBe(404);
    expect(await ask(["restore"], [into])).toBe(404);
    expect(context.refreshesStarted).toEqual([]);
    expect(await ask(["restore"], [from, into])).toBe(202);
    const unset = testContext({ [from]: shop.config });
    expect(await apiOf(unset).json(`/v1/databases/${from}/refresh`, {}, 409)).toMatchObject({
      code: "REFRESH_UNAVAILABLE",
    });
  });
});
