import { env } from "cloudflare:workers";
import { beforeAll, expect, it, describe as group } from "vitest";
import { findBackup, listBackups, newestBackup } from "../../../src/catalog/backups.ts";
import { enterUpload, uploadsOf } from "../../../src/catalog/uploads.ts";
import type { Context } from "../../../src/worker/context.ts";
import { NightjarError } from "../../../src/errors/errors.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import { rebuild } from "../../../src/jobs/recovery/rebuild.ts";
import { reconcile } from "../../../src/jobs/recovery/reconcile.ts";
import type { Manifest } from "../../../src/model/manifest.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { backUpAt, entry, NOW, ownKeys } from "../../support/aged-backups.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";
import {
  callsFor,
  type FaultKind,
  faultsLike,
  LYING,
  lyingBucket,
} from "../../support/lying-bucket.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { saveWorld } from "../../support/saved-world.ts";
import { contentOf } from "../../support/whole.ts";

/**
 * The nightly work and a rebuild, in a bucket that misbehaves at its n-th call, for every n.
 *
 * Not detectable: a proof that a list omits, so that the previous one counts; objects that a list omits from
 * a removal, and a delete that did nothing: they stay, and a reconcile reports or enters them.
 */
const { BUCKET, DB } = env;

let source: PageDatabase;

beforeAll(async () => {
  source = await PageDatabase.create();
  await source.fill("items", 3);
});
/** Run a job; if it fails, it must fail with an error of ours. */
async function attempt(act: () => Promise<unknown>, when: () => string): Promise<void> {
  const thrown = await act().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown === undefined) return;
  expect(thrown, `${when()}: ${(thrown as Error).stack}`).toBeInstanceOf(NightjarError);
  expect((thrown as NightjarError).code, `${when()}: ${(thrown as Error).message}`).not.toBe(
    "INTERNAL",
  );
}

group("a prune in a bucket that misbehaves at any one call", () => {
  const configured = (more: object = {}) => ({
    kept: entry({ ...source.config, capture: "dump", ...more }),
  });
  const pruned = async (context: Context, now: number) => {
    await prune(context, now, false);
  };
  /** The backups that the policy keeps, and their form; each prune has a `now` and a configuration. */
  const WORLDS = {
    "that has a backup to pin": { before: [], more: {}, now: NOW },
    "that has a pin whose original is past its age": {
      before: [NOW],
      more: {},
      now: NOW + 5 * DAY,
    },
    "that has nothing left but a pin": {
      before: [NOW, NOW + 5 * DAY],
      more: {},
      now: NOW + 6 * DAY,
    },
    "that has a pin to release": {
      before: [NOW - 4 * DAY],
      more: { retain: { manual: "forever" } },
      now: NOW,
    },
  };

  it.each(Object.entries(WORLDS))("%s: nothing is lost that the policy keeps", async (_, world) => {
    const { now } = world;
    const databases = configured(world.more);
    const days = "retain" in world.more ? [28] : [60, 28];
    const begun = await backUpAt("kept", days, configured().kept);
    for (const at of world.before) await pruned(begun, at);
    const { id, manifest } = (await newestBackup(begun.catalog, "kept"))!;
    const content = await contentOf(manifest);
    const back = await saveWorld();
    await pruned(testContext(databases), now);
    const settled = await ownKeys("kept");

    for (const kind of LYING.filter((each) => !each.includes("unused")))
      for (let nth = 1; ; nth++) {
        await back();
        const { bucket, what } = lyingBucket(kind, nth);
        await attempt(
          () => pruned(testContext(databases, { bucket }), now),
          () => `${kind} at call ${nth}: ${what()}`,
        );
        const when = `${kind} at call ${nth}: ${what()}`;
        await expectKept(id, content, when);
        await pruned(testContext(databases), now);
        await expectKept(id, content, `${when}, and after the next prune`);
        const keys = await ownKeys("kept");
        for (const key of settled) if (!key.includes(".proof-")) expect(keys, when).toContain(key);
        // Objects that a list omitted, or that were reported as deleted, may stay: reconcile reports them.
        if (!/list|deletes/.test(kind)) expect(keys, when).toEqual(settled);
        if (what() === "") break;
        expect(nth).toBeLessThan(60);
      }
    await BUCKET.delete(await ownKeys("kept"));
    await DB.exec("DELETE FROM backups");
  });

  async function expectKept(id: string, content: string[], when: string): Promise<void> {
    const backup = await findBackup(testContext({}).catalog, id);
    expect(backup, when).toBeDefined();
    expect(await contentOf(backup!.manifest), when).toEqual(content);
  }
});

group("a bucket and a catalog that are brought together again", () => {
  const databases = () => ({
    shop: source.config,
    dumped: { ...source.config, capture: "dump" },
  });
  const later = Date.now() + 2 * DAY;
  const contents = new Map<string, string[]>();
  let damaged: Manifest;
  let back: () => Promise<void>;

  beforeAll(async () => {
    await BUCKET.delete((await BUCKET.list()).objects.map(({ key }) => key));
    await DB.exec("DELETE FROM backups");
    let seconds = 0;
    const context = testContext(databases(), { now: () => Date.now() + seconds * 1000 });
    for (const name of ["shop", "shop", "dumped", "dumped"]) {
      seconds += 2;
      const run = await backUp(context, manualRun(name));
      expect(run).toMatchObject({ state: "done" });
      const { manifest } = (await findBackup(context.catalog, run.backupId!))!;
      contents.set(manifest.id, await contentOf(manifest));
      damaged = manifest;
    }
    // The last one was good, and is no longer.
    seconds += 2;
    contents.delete(damaged.id);
    await BUCKET.put(damaged.key, "something else");
    expect(await prove(context, damaged.id, "verify")).toMatchObject({ outcome: "corrupt" });
    // A damaged proof says nothing about its backup, and does not make it unavailable.
    const [proof] = (await allKeys(BUCKET, "manual/shop/")).filter((key) => key.includes("proof"));
    const { customMetadata } = (await BUCKET.head(proof!))!;
    await BUCKET.put(proof!, "{", { customMetadata: customMetadata! });
    back = await saveWorld();
  });

  async function rebuildAll(context: Context): Promise<void> {
    for (let after: string | null | undefined; after !== null;)
      after = (await rebuild(context, after)).next;
  }

  async function abortedUpload(key: string): Promise<R2MultipartUpload> {
    const upload = await BUCKET.createMultipartUpload(key);
    await upload.abort();
    return upload;
  }

  /** Expect that every whole backup is still in the bucket, and that the catalog is right about each. */
  async function expectRight(kind: FaultKind, when: string): Promise<number> {
    const { catalog } = testContext({});
    let known = 0;
    for (const name of ["shop", "dumped"])
      for (const { id, manifest, verification } of await listBackups(catalog, name, 10)) {
        const content = contents.get(id);
        if (content !== undefined) known++;
        expect(await contentOf(manifest), when).toEqual(content ?? [expect.any(String)]);
        // If a list omits a proof, the previous one counts: this cannot be detected.
        if (content === undefined && !/list/.test(kind))
          expect(verification?.outcome, when).not.toBe("verified");
      }
    return known;
  }

  it.each(faultsLike(/returns (?!a frame)|knows|list/))(
    "a rebuild from one that %s at any one call",
    async (kind) => {
      const { first, step } = callsFor(kind);
      for (let nth = first; ; nth += step) {
        await back();
        for (const table of ["backups", "runs", "segments", "lineages"])
          await DB.exec(`DELETE FROM ${table}`);
        const { bucket, what } = lyingBucket(kind, nth);
        const when = () => `${kind} at call ${nth}: ${what()}`;
        await attempt(() => rebuildAll(testContext(databases(), { bucket })), when);
        await expectRight(kind, when());
        await rebuildAll(testContext(databases()));
        expect(await expectRight(kind, when()), when()).toBe(contents.size);
        if (what() === "") break;
        expect(nth).toBeLessThan(60);
      }
      // The log continues from whatever was found.
      expect(await backUp(testContext(databases()), manualRun("shop"))).toMatchObject({
        state: "done",
      });
    },
  );

  it.each(LYING)("a reconcile with one that %s at any one call", async (kind) => {
    const { first, step } = callsFor(kind);
    for (let nth = first; ; nth += step) {
      await back();
      const { catalog } = testContext({});
      const lost = (await newestBackup(catalog, "shop"))!;
      const unfinished = (await listBackups(catalog, "dumped", 2))[1]!;
      // Killed after its manifest was written.
      const { id, runId, database, manifest } = unfinished;
      const { key, manifestKey } = manifest;
      const { uploadId } = await abortedUpload(key);
      await enterUpload(catalog, { key, manifestKey, uploadId, runId, database });
      await DB.prepare("DELETE FROM backups WHERE id IN (?, ?)").bind(id, lost.id).run();
      const { bucket, what } = lyingBucket(kind, nth);
      const when = () => `${kind} at call ${nth}: ${what()}`;
      await attempt(() => reconcile(testContext(databases(), { bucket }), later), when);
      await expectRight(kind, when());
      await reconcile(testContext(databases()), later);
      expect(await expectRight(kind, when()), when()).toBe(contents.size);
      expect(await uploadsOf(catalog, "dumped"), when()).toEqual([]);
      if (what() === "") break;
      expect(nth).toBeLessThan(60);
    }
  });
});
