import { env } from "cloudflare:workers";
import { describe, expect, inject, it } from "vitest";
import { listBackups } from "../../../src/catalog/backups.ts";
import { enterUpload } from "../../../src/catalog/uploads.ts";
import { enterRun, findRun, updateRun } from "../../../src/catalog/runs.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { expectConsistent, healNow } from "../../support/consistent.ts";
import { backUp, backupKeys, inlineStep, manualRun, testContext } from "../../support/context.ts";
import { failing } from "../../support/failing.ts";

const SMALL = inject("small");
const { BUCKET, DB } = env;

const CAPTURES = ["dump", "pages", "rows"] as const;
const PARTS = ["bucket", "db"] as const;

describe.each(CAPTURES)("an R2 or D1 that fails, while a database is captured by %s", (capture) => {
  it.each(PARTS)(
    "at any one call to the %s: the run is retried and makes one backup",
    async (part) => {
      for (let call = 1; ; call++) {
        const name = `failing-${capture}-${part}-${call}`;
        const databases = { [name]: { url: SMALL, capture } };
        const fault = failing({ BUCKET, DB }, part, call, () => new Error("injected"));
        const context = testContext(databases, fault);
        const run = manualRun(name);
        const { catalog } = testContext(databases);
        await enterRun(catalog, run, Date.now());
        await runBackup(context, run.id, inlineStep).catch(() => {});
        const when = `call ${call} of the ${part}: ${fault.what()}`;
        expect(await findRun(catalog, run.id), when).toMatchObject({ state: "done" });
        await healNow(name, databases);
        expect(await expectConsistent(name, databases, when), when).toBe(2);
        for (const { verification, drill } of await listBackups(catalog, name, 2))
          expect([verification?.outcome, drill?.outcome], when).toEqual(["verified", "passed"]);
        if (!fault.happened()) break;
      }
    },
  );
});

describe("a Workflow that is started again", () => {
  it("makes no second backup, whether its run had failed or was done", async () => {
    const { catalog } = testContext({ again: { url: SMALL, capture: "dump" } });
    const run = manualRun("again");
    // D1 fails once the manifest is written, for longer than any retry.
    const db = new Proxy(DB, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (name !== "prepare") return typeof member === "function" ? member.bind(target) : member;
        return (sql: string) => {
          if (/insert into "backups"/i.test(sql)) throw new Error("D1 is gone");
          return target.prepare(sql);
        };
      },
    });
    expect(
      await backUp(testContext({ again: { url: SMALL, capture: "dump" } }, { db }), run),
    ).toMatchObject({
      state: "failed",
      error: { code: "CATALOG_FAILED", message: expect.not.stringContaining("sha256") },
    });
    for (let count = 0; count < 2; count++) {
      await runBackup(testContext({ again: { url: SMALL, capture: "dump" } }), run.id, inlineStep);
      expect(await findRun(catalog, run.id)).toMatchObject({ state: "done" });
      expect(await listBackups(catalog, "again", 10)).toHaveLength(1);
      expect((await backupKeys()).filter((key) => key.includes("/again/"))).toHaveLength(2);
    }
  });

  it("says nothing more for an attempt that was given up", async () => {
    const { catalog } = testContext({ late: { url: SMALL, capture: "dump" } });
    const run = await backUp(
      testContext({ late: { url: SMALL, capture: "dump" } }),
      manualRun("late"),
    );
    expect(run.state).toBe("done");
    await updateRun(catalog, run.id, { state: "storing" }, Date.now());
    expect(await findRun(catalog, run.id)).toMatchObject({ state: "done" });
  });
});

it("one upload that cannot be recovered does not keep the next backup from being made", async () => {
  const context = testContext({ stuck: { url: SMALL, capture: "dump" } });
  await BUCKET.put("manual/stuck/x.json", "no JSON");
  await enterUpload(context.catalog, {
    key: "manual/stuck/x.sql.zst",
    manifestKey: "manual/stuck/x.json",
    uploadId: "none",
    runId: "none",
    database: "stuck",
  });
  expect(await backUp(context, manualRun("stuck"))).toMatchObject({ state: "done" });
});
