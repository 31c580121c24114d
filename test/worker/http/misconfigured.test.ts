import { beforeAll, describe, expect, it } from "vitest";
import { listBackups, newestBackup } from "../../../src/catalog/backups.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { planPrune } from "../../../src/jobs/retention/prune-plan.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { startDueRuns } from "../../../src/jobs/schedule/start-due-runs.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { apiOf, ORIGIN } from "../../support/api.ts";
import { backUp, inlineStep, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { PINNED } from "../../../src/store/keys.ts";
import { listKeys } from "../../../src/store/list.ts";

const FIX = /there is no secret ABSENT_TOKEN: run `npx wrangler secret put ABSENT_TOKEN`/;

let now = Date.now();
let context: ReturnType<typeof testContext>;
let api: ReturnType<typeof apiOf>;

/** Three databases; `second` was backed up before its secret was removed. */
beforeAll(async () => {
  const { config } = await PageDatabase.create("CREATE TABLE t (v); INSERT INTO t VALUES ('kept')");
  const sound = { first: config, second: config, third: config };
  const before = testContext(sound, { now: () => now });
  for (let count = 0; count < 3; count++)
    expect(await backUp(before, manualRun("second"))).toMatchObject({ state: "done" });
  const second = { ...config, token: "ABSENT_TOKEN", badge: "public", url: "https://db.example" };
  context = testContext({ ...sound, second }, { now: () => now });
  api = apiOf(context);
}, 120_000);
describe("a database whose secret is missing", () => {
  it("keeps no other from its backup by the next cron, which does not fail", async () => {
    const night = Math.ceil(now / DAY) * DAY + 30 * 60_000;
    await startDueRuns(context, night);
    expect(context.started).toEqual([
      expect.stringMatching(/^first-/),
      expect.stringMatching(/^third-/),
    ]);
    for (const id of context.started) await runBackup(context, id, inlineStep);
    for (const name of ["first", "third"])
      expect(await newestBackup(context.catalog, name), name).toBeDefined();
  }, 120_000);

  it("says what to do, in lists, in its badge and in its health", async () => {
    const { databases } = await api.json("/v1/databases");
    const states = databases.map(({ name, state }: { name: string; state: string }) => [
      name,
      state,
    ]);
    expect(states).toContainEqual(["second", "misconfigured"]);
    expect(states.filter(([, state]: string[]) => state === "misconfigured")).toHaveLength(1);
    expect(await api.json("/v1/databases/second")).toMatchObject({
      state: "misconfigured",
      mistakes: [{ path: "DATABASES.second.token", fix: expect.stringMatching(FIX) }],
      backups: 3,
      nextScheduledAt: null,
    });
    expect((await api.json("/v1/databases/first"))["mistakes"]).toEqual([]);
    expect(await api.json("/badge/second.json")).toMatchObject({
      message: "misconfigured",
      color: "red",
    });
    const health = await api.call(`${ORIGIN}/health/second`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ state: "misconfigured" });
  });

  it("refuses what needs its server, with the path and the fix", async () => {
    const { id } = (await newestBackup(context.catalog, "first"))!;
    for (const [path, body] of [
      ["/v1/databases/second/backups", {}],
      [`/v1/backups/${id}/restore`, { target: { database: "second" }, dryRun: true }],
    ] as const) {
      const answer = await api.call(path, body);
      const text = await answer.text();
      expect(text, path).toContain("DATABASE_MISCONFIGURED");
      expect(text, path).toMatch(FIX);
    }
    expect(await backUp(context, manualRun("second"))).toMatchObject({
      state: "failed",
      error: { code: "DATABASE_MISCONFIGURED" },
    });
  });

  it("still gives every backup that it has", async () => {
    const { id } = (await newestBackup(context.catalog, "second"))!;
    const link = await api.json(`/v1/backups/${id}/links`, { format: "sql" });
    expect(new TextDecoder().decode(await api.bytes(link["url"]))).toContain("'kept'");
  });

  it("loses nothing to a prune, and what R2 would take is copied in time", async () => {
    now += 400 * DAY;
    await prune(context, now, false);
    const kept = await listBackups(context.catalog, "second", 10);
    expect(kept).toHaveLength(3);
    for (const { manifest } of kept) expect(await context.bucket.head(manifest.key)).not.toBeNull();
    expect(kept[0]!.manifest.pin).toMatchObject({ by: "policy" });
    // As if the wrong entry's default age were longer: the copy looks unnecessary, but stays.
    now -= 400 * DAY;
    const { releases } = await planPrune(
      context,
      ["second"],
      new Set(await listKeys(context.bucket, PINNED)),
      now,
      new Set(),
    );
    expect(releases.filter(({ database }) => database === "second")).toEqual([]);
  });
});
