import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { enterRun, findRun } from "../../../src/catalog/runs.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { drillBackup } from "../../../src/jobs/proof/drill.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { verifyBackup } from "../../../src/jobs/proof/verify.ts";
import { backUp, inlineStep, manualRun, testContext } from "../../support/context.ts";
import { intercepted } from "../../support/failing.ts";
import { PageDatabase } from "../../support/page-database.ts";

const real = env;
let DATABASES: Record<string, object>;

beforeAll(async () => {
  const { config } = await PageDatabase.create("CREATE TABLE t (v); INSERT INTO t VALUES (1)");
  DATABASES = { shop: { ...config, capture: "dump", attempts: 1 } };
});
afterEach(() => vi.useRealTimers());

/** Wrap R2 and D1 so that the `nth` call to `part` is never answered. */
function hanging(part: "bucket" | "db", nth: number) {
  let calls = 0;
  let reached = () => {};
  const hung = new Promise<void>((resolve) => (reached = resolve));
  const { bucket, db } = intercepted(real, async (owner, _method, call) => {
    if (owner !== part || ++calls !== nth) return call();
    reached();
    return new Promise(() => {});
  });
  return { context: testContext(DATABASES, { bucket, db }), hung, calls: () => calls };
}

/** Run an action in which one call hangs; time passes as soon as it does. */
async function whileTimePasses<T>(hung: Promise<void>, action: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const running = action();
  running.catch(() => {}); // reported where it is awaited
  await Promise.race([hung, running.catch(() => {})]);
  await vi.advanceTimersByTimeAsync(130_000);
  return running;
}

describe("a request to the store that is never answered", () => {
  it("ends a run with an error, at whichever call to R2, and the next run is whole", async () => {
    const counted = hanging("bucket", Infinity);
    expect(await backUp(counted.context, manualRun("shop"))).toMatchObject({ state: "done" });
    const calls = counted.calls();
    expect(calls).toBeGreaterThan(8);
    for (let nth = 1; nth <= calls; nth++) {
      const { context, hung } = hanging("bucket", nth);
      const run = manualRun("shop");
      await enterRun(context.catalog, run, Date.now());
      await whileTimePasses(hung, () => runBackup(context, run.id, inlineStep).catch(() => {}));
      vi.useRealTimers();
      const ended = (await findRun(context.catalog, run.id))!;
      // The run retries publishing and proving; a capture is another attempt.
      expect(["done", "failed"], `call ${nth}`).toContain(ended.state);
      if (ended.state === "failed")
        expect(ended.error, `call ${nth}`).toMatchObject({
          code: "STORE_FAILED",
          message: expect.stringContaining("no answer in 120 s") as string,
        });
    }
    const context = testContext(DATABASES);
    expect(await backUp(context, manualRun("shop"))).toMatchObject({ state: "done" });
  });

  it("ends a verify, a drill and a prune, which then know nothing", async () => {
    const { manifest } = (await newestBackup(testContext(DATABASES).catalog, "shop"))!;
    for (const [part, act] of [
      ["bucket", verifyBackup],
      ["bucket", drillBackup],
    ] as const) {
      const { context, hung } = hanging(part, 1);
      await expect(
        whileTimePasses<unknown>(hung, () => act(context, manifest)),
      ).rejects.toMatchObject({ code: "STORE_FAILED" });
      vi.useRealTimers();
    }
    for (const [part, code] of [
      ["bucket", "STORE_FAILED"],
      ["db", "CATALOG_FAILED"],
    ] as const) {
      const { context, hung } = hanging(part, 1);
      await expect(
        whileTimePasses(hung, () => prune(context, Date.now(), false)),
      ).rejects.toMatchObject({ code });
      vi.useRealTimers();
    }
  });
});
