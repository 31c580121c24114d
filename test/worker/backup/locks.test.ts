import { env } from "cloudflare:workers";
import { describe, expect, inject, it, vi } from "vitest";
import { listBackups } from "../../../src/catalog/backups.ts";
import { enterRun, failRun, findRun } from "../../../src/catalog/runs.ts";
import { uploadsOf } from "../../../src/catalog/uploads.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { writeManifest } from "../../../src/store/document.ts";
import { proofKey } from "../../../src/store/keys.ts";
import { forgetProofs } from "../../support/aged-backups.ts";
import { allKeys, backUp, inlineStep, manualRun, testContext } from "../../support/context.ts";
import { failing, KilledError } from "../../support/failing.ts";
import { lockedBucket } from "../../support/locked-bucket.ts";

const SMALL = inject("small");
const { BUCKET, DB } = env;

const locked = lockedBucket(BUCKET, ["manual/"]);

describe("where a lock rule of the bucket refuses to delete", () => {
  it("prune goes on with everything else, tells what it had to leave, and takes it later", async () => {
    const now = Date.now();
    const databases = {
      held: { url: SMALL, capture: "dump" },
      free: { url: SMALL, capture: "dump" },
    };
    for (const name of ["held", "free"])
      for (const ago of [60, 50, 1])
        await backUp(testContext(databases, { now: () => now - ago * DAY }), manualRun(name));
    await forgetProofs("held");
    const { catalog } = testContext(databases);
    const [, second] = await listBackups(catalog, "held", 10);
    await BUCKET.put(proofKey(second!.manifest.manifestKey, now), "{}");
    const before = await allKeys(BUCKET, "manual/held/");

    // Lock one manifest, then only the bytes, then only the proof: the locked object decides what stays.
    const { manifestKey, key } = second!.manifest;
    for (const [prefix, left] of [
      ["manual/held/", before.length],
      [manifestKey, 5],
      [key, 4],
      [proofKey(second!.manifest.manifestKey, now), 3],
    ] as const) {
      const bucket = lockedBucket(BUCKET, [prefix]);
      const { failures, verdicts } = await prune(testContext(databases, { bucket }), now, false);
      expect(failures.length, prefix).toBe(prefix === "manual/held/" ? 2 : 1);
      for (const { backup, error } of failures)
        expect([backup.database, error.code]).toEqual(["held", "STORE_LOCKED"]);
      expect(verdicts.filter(({ keep }) => !keep).map(({ backup }) => backup.database)).toContain(
        "held",
      );
      expect(await allKeys(BUCKET, "manual/held/"), prefix).toHaveLength(left);
      expect(await listBackups(catalog, "free", 10)).toHaveLength(1);
    }
    expect((await prune(testContext(databases), now, false)).failures).toEqual([]);
    expect(await listBackups(catalog, "held", 10)).toHaveLength(1);
    expect(await allKeys(BUCKET, "manual/held/")).toHaveLength(2);
  });

  it("a pinned backup's own objects are left without a word", async () => {
    const now = Date.now();
    const databases = { both: { url: SMALL, capture: "dump" } };
    await backUp(testContext(databases, { now: () => now - 31 * DAY }), manualRun("both"));
    await forgetProofs("both");
    expect((await prune(testContext(databases, { bucket: locked }), now, false)).failures).toEqual(
      [],
    );
    expect(await allKeys(BUCKET, "manual/both/")).toHaveLength(2);
    await prune(testContext(databases), now, false);
    expect(await allKeys(BUCKET, "manual/both/")).toEqual([]);
    expect(await allKeys(BUCKET, "pinned/manual/both/")).toHaveLength(2);
  });

  it("the next run is made although a killed one's bytes cannot be removed yet", async () => {
    const databases = { stuck: { url: SMALL, capture: "dump" } };
    const { catalog } = testContext(databases);
    const run = manualRun("stuck");
    // Kill after the bytes are complete and before the manifest is written.
    for (let call = 1; ; call++) {
      const fault = failing({ BUCKET, DB }, "bucket", call, () => new KilledError());
      const attempt = { ...run, id: `${run.id}-${call}` };
      await enterRun(catalog, attempt, Date.now());
      await runBackup(testContext(databases, fault), attempt.id, inlineStep).catch(() => {});
      const error = { code: "RUN_LOST", message: "-", hint: "-" } as const;
      await failRun(catalog, attempt.id, error, Date.now());
      if ((await allKeys(BUCKET, "manual/stuck/")).length === 1) break;
      expect(fault.happened()).toBe(true);
      await backUp(testContext(databases), manualRun("stuck")); // repairs
      await BUCKET.delete(await allKeys(BUCKET, "manual/stuck/"));
    }
    const [left] = await allKeys(BUCKET, "manual/stuck/");
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const again = await backUp(testContext(databases, { bucket: locked }), manualRun("stuck"));
    expect(again).toMatchObject({ state: "done", error: null });
    expect(await BUCKET.head(left!)).not.toBeNull();
    expect((await uploadsOf(catalog, "stuck")).map(({ key }) => key)).toEqual([left]);
    expect(warn).toHaveBeenCalledWith(expect.stringContaining("upload-locked"));

    const last = await backUp(testContext(databases), manualRun("stuck"));
    expect(await findRun(catalog, last.id)).toMatchObject({ state: "done" });
    expect(await BUCKET.head(left!)).toBeNull();
    expect(await uploadsOf(catalog, "stuck")).toEqual([]);
  });

  it("a manifest that is written again is the same still, and another one a conflict", async () => {
    const guarded = testContext({}, { bucket: locked }).bucket;
    const manifest = { manifestKey: "manual/again/x.json", id: "a" };
    await writeManifest(guarded, manifest);
    await writeManifest(guarded, manifest);
    const another = { ...manifest, id: "b" };
    await expect(writeManifest(guarded, another)).rejects.toMatchObject({
      code: "STORE_CONFLICT",
    });
  });
});
