import { env } from "cloudflare:workers";
import { describe, expect, inject, it } from "vitest";
import { listBackups } from "../../../src/catalog/backups.ts";
import { enterDatabases, planDatabases } from "../../../src/catalog/fleet/databases.ts";
import { failRun, findRun } from "../../../src/catalog/runs.ts";
import { startDueRuns } from "../../../src/jobs/schedule/start-due-runs.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { DAY, MINUTE } from "../../../src/plan/duration.ts";
import { startDelay } from "../../../src/plan/schedule.ts";
import { planOf } from "../../support/plan-of.ts";
import { apiOf } from "../../support/api.ts";
import { allKeys, backUp, inlineStep, manualRun, testContext } from "../../support/context.ts";

const SMALL = inject("small");
const { BUCKET } = env;
const NIGHT = Date.parse("2026-11-01T00:00:00Z"); // a Sunday

/** Look at a moment, and execute what was started. */
async function night(name: string, now: number, url = SMALL) {
  const context = testContext(
    { [name]: { url, attempts: 1, capture: "dump" } },
    { now: () => now },
  );
  await startDueRuns(context, now);
  for (const id of context.started) await runBackup(context, id, inlineStep).catch(() => {});
  return context;
}

describe("the cron's look", () => {
  it("makes one backup for a moment, however often it is delivered", async () => {
    const context = testContext({ once: { url: SMALL, capture: "dump" } }, { now: () => NIGHT });
    await Promise.all([
      startDueRuns(context, NIGHT),
      startDueRuns(context, NIGHT),
      startDueRuns(context, NIGHT),
    ]);
    expect(context.started).toEqual(["once-20261101T000000Z"]);
    await runBackup(context, context.started[0]!, inlineStep);
    await startDueRuns(context, NIGHT);
    await startDueRuns(context, NIGHT + 30_000);
    expect(context.started).toHaveLength(1);
    expect(await listBackups(context.catalog, "once", 10)).toHaveLength(1);
  });

  it("gives tiers by the calendar, and skips no period when a night fails", async () => {
    const tiers: (string | undefined)[] = [];
    for (let day = 0; day < 32; day++) {
      const dead = day === 30; // 1 December fails
      const context = await night("gfs", NIGHT + day * DAY, dead ? "http://127.0.0.1:9" : SMALL);
      tiers.push((await findRun(context.catalog, context.started[0]!))?.tier);
    }
    expect(tiers[0]).toBe("monthly");
    expect([tiers[7], tiers[14], tiers[21], tiers[28]]).toEqual(Array(4).fill("weekly"));
    expect([tiers[30], tiers[31]]).toEqual(["monthly", "monthly"]);
    expect(tiers.filter((tier) => tier === "daily")).toHaveLength(25);
  });

  it("starts those that share a schedule in minutes of their own, for the same moment", async () => {
    const names = ["one", "two", "three", "four", "five"].map((name) => `spread-${name}`);
    const databases = Object.fromEntries(names.map((name) => [name, { url: SMALL }]));
    let now = NIGHT - MINUTE;
    const context = testContext(databases, { now: () => now });
    await enterDatabases(context.catalog, names);
    const plans = names.map((name) => ({ name, at: 0, lookedAt: now }));
    await planDatabases(context.catalog, "run", plans);
    const minutes = new Map<string, number>();
    for (let minute = -1; minute < 8; minute++) {
      now = NIGHT + minute * MINUTE;
      const before = context.started.length;
      await startDueRuns(context, now);
      for (const id of context.started.slice(before)) minutes.set(id, minute);
    }
    const schedules = [...context.config.databases.values()].map(({ schedule }) => schedule);
    const expected = names.map((name) => [
      `${name}-20261101T000000Z`,
      startDelay(name, schedules[0]!, schedules) / MINUTE,
    ]);
    expect(new Set(expected.map(([, minute]) => minute)).size).toBeGreaterThan(1);
    expect(Object.fromEntries(minutes)).toEqual(Object.fromEntries(expected));
    for (const id of context.started)
      expect(await findRun(context.catalog, id)).toMatchObject({ scheduledFor: NIGHT });
    const own = await Promise.all(
      names.map((name) => apiOf(context).json(`/v1/databases/${name}`)),
    );
    for (const { name, nextScheduledAt } of own)
      expect(Date.parse(nextScheduledAt)).toBe(
        NIGHT + DAY + startDelay(name, schedules[0]!, schedules),
      );
  });

  it("goes on after a start that was cut off", async () => {
    const context = testContext({ cut: { url: SMALL, capture: "dump" } }, { now: () => NIGHT });
    const { create } = context.workflows;
    context.workflows.create = () => Promise.reject(new Error("no Workflow today"));
    await expect(startDueRuns(context, NIGHT)).rejects.toThrow("no Workflow today");
    expect(await planOf(context.catalog, "cut")).toMatchObject({ lastLookAt: 0 });
    context.workflows.create = create;
    await startDueRuns(context, NIGHT + MINUTE);
    expect(context.started).toEqual(["cut-20261101T000000Z"]);
  });

  it("does not start beside a run that is at work, and catches up once after it", async () => {
    const databases = { busy: { url: SMALL, schedule: "* * * * *" } };
    const at = async (now: number) => {
      const context = testContext(databases, { now: () => now });
      await startDueRuns(context, now);
      return context.started;
    };
    expect(await at(NIGHT)).toEqual(["busy-20261101T000000Z"]);
    for (const minutes of [1, 2, 3]) expect(await at(NIGHT + minutes * MINUTE)).toEqual([]);
    const { catalog } = testContext(databases);
    const error = { code: "SOURCE_ERROR", message: "-", hint: "-" } as const;
    await failRun(catalog, "busy-20261101T000000Z", error, NIGHT);
    expect(await at(NIGHT + 4 * MINUTE + 9000)).toEqual(["busy-20261101T000400Z"]);
    expect(await planOf(catalog, "busy")).toMatchObject({
      lastLookAt: NIGHT + 4 * MINUTE + 9000,
    });
  });

  it("waits on for a quiet run whose Workflow says that it is at work", async () => {
    const databases = { slow: { url: SMALL, capture: "dump" } };
    await startDueRuns(testContext(databases, { now: () => NIGHT }), NIGHT);
    const context = testContext(databases, { now: () => NIGHT + DAY });
    context.started.push("slow-20261101T000000Z");
    await startDueRuns(context, NIGHT + DAY);
    expect(context.started).toHaveLength(1);
    expect(await findRun(context.catalog, "slow-20261101T000000Z")).toMatchObject({
      state: "queued",
    });
  });

  it("marks a run failed whose Workflow is gone", async () => {
    await startDueRuns(
      testContext({ lost: { url: SMALL, capture: "dump" } }, { now: () => NIGHT }),
      NIGHT,
    );
    const context = testContext(
      { lost: { url: SMALL, capture: "dump" } },
      { now: () => NIGHT + DAY },
    );
    await startDueRuns(context, NIGHT + DAY);
    expect(await findRun(context.catalog, "lost-20261101T000000Z")).toMatchObject({
      state: "failed",
      error: { code: "RUN_LOST" },
    });
    expect(context.started).toEqual(["lost-20261102T000000Z"]);
  });

  it("lets one broken database not stop the others", async () => {
    const databases = {
      aaa: { url: SMALL, capture: "dump" },
      bbb: { url: SMALL, capture: "dump" },
    };
    const context = testContext(databases, { now: () => NIGHT });
    const { create } = context.workflows;
    context.workflows.create = (id) =>
      id.startsWith("aaa") ? Promise.reject(new Error("no")) : create(id);
    await expect(startDueRuns(context, NIGHT)).rejects.toThrow("no");
    expect(context.started).toEqual(["bbb-20261101T000000Z"]);
  });
});

describe("pruning", () => {
  it("deletes what is past its age from bucket and catalog, and nothing else", async () => {
    const now = Date.now();
    const old = { aged: { url: SMALL, capture: "dump" } };
    for (const ago of [400, 100, 31, 2])
      await backUp(testContext(old, { now: () => now - ago * DAY }), manualRun("aged"));
    await BUCKET.put("manual/aged/notes.txt", "not ours");
    await BUCKET.put("daily/other/20200101T000000Z-000000000000.sql.zst", "not in the catalog");
    const context = testContext(old);
    const before = await allKeys();

    const dry = await prune(context, now, true);
    const own = dry.verdicts.filter(({ backup }) => backup.database === "aged");
    expect(own.map(({ keep }) => keep)).toEqual([true, false, false, false]);
    expect(await allKeys()).toEqual(before);

    expect(await prune(context, now, false)).toEqual({ ...dry, removed: 3 });
    const left = await listBackups(context.catalog, "aged", 10);
    expect(left).toHaveLength(1);
    expect(await allKeys()).toEqual(
      before.filter((key) => !/^manual\/aged\/\d/.test(key) || key.includes(left[0]!.id)),
    );
  });

  it("keeps the newest backup for ever, and all of a database that is no longer configured", async () => {
    const context = testContext({ last: { url: SMALL, capture: "dump" } });
    await backUp(context, manualRun("last"));
    const farAway = Date.now() + 5000 * DAY;
    await prune(context, farAway, false);
    expect(await listBackups(context.catalog, "last", 10)).toHaveLength(1);
    await prune(testContext({}), farAway, false);
    expect(await listBackups(context.catalog, "last", 10)).toHaveLength(1);
  });

  it("passes the newest's protection on when R2's lifecycle has taken the newest", async () => {
    const now = Date.now();
    const databases = { ghost: { url: SMALL, capture: "dump" } };
    for (const ago of [80, 60])
      await backUp(testContext(databases, { now: () => now - ago * DAY }), manualRun("ghost"));
    const context = testContext(databases);
    const [newest, older] = await listBackups(context.catalog, "ghost", 10);
    await BUCKET.delete(newest!.manifest.key);
    await prune(context, now, false);
    const left = await listBackups(context.catalog, "ghost", 10);
    expect(left.map(({ id }) => id)).toEqual([older!.id]);
    expect(left[0]!.manifest.key).toBe(`pinned/${older!.manifest.key}`);
    expect(await BUCKET.head(left[0]!.manifest.key)).not.toBeNull();
  });

  it("is finished by the next one when it is killed half-way", async () => {
    const now = Date.now();
    const databases = { half: { url: SMALL, capture: "dump" } };
    for (const ago of [90, 60, 1])
      await backUp(testContext(databases, { now: () => now - ago * DAY }), manualRun("half"));
    for (let call = 1; call <= 2; call++) {
      let calls = 0;
      const bucket = new Proxy(BUCKET, {
        get: (target, name) => {
          if (name !== "delete") return Reflect.get(target, name, target);
          return (keys: string[]) =>
            ++calls === call ? Promise.reject(new Error("killed")) : target.delete(keys);
        },
      });
      await expect(prune(testContext(databases, { bucket }), now, false)).rejects.toMatchObject({
        code: "STORE_FAILED",
      });
    }
    const context = testContext(databases);
    await prune(context, now, false);
    const left = await listBackups(context.catalog, "half", 10);
    expect(left).toHaveLength(1);
    const keys = (await allKeys()).filter((key) => /\/half\/[^.]*\.(?!proof-)/.test(key));
    expect(keys).toHaveLength(2);
  });
});
