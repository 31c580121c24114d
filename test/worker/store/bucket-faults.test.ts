import { env } from "cloudflare:workers";
import { NonRetryableError } from "cloudflare:workflows";
import type { WorkflowStep } from "cloudflare:workers";
import { beforeAll, expect, it, describe as group } from "vitest";
import { listBackups } from "../../../src/catalog/backups.ts";
import { enterRun, findRun, type Run } from "../../../src/catalog/runs.ts";
import { uploadsOf } from "../../../src/catalog/uploads.ts";
import type { Context } from "../../../src/worker/context.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { backUp, backupKeys, manualRun, testContext } from "../../support/context.ts";
import {
  callsFor,
  type FaultKind,
  faultsLike,
  HANGING,
  LYING,
  lyingBucket,
  swappingBucket,
} from "../../support/lying-bucket.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { describe } from "../../support/restores.ts";
import { saveWorld } from "../../support/saved-world.ts";
import { contentOf } from "../../support/whole.ts";

/**
 * Backups into a bucket that misbehaves at its n-th call, for every n.
 *
 * Not detectable: a proof that was not stored, or stored with other bytes, because nothing reads it back (the
 * catalog has its content); a delete that did nothing, until a reconcile reports the objects that belong to
 * nothing.
 */
const { BUCKET } = env;

/** The start of a backup: nothing, or a previous backup and the page log that it began. */
const BEGINNINGS = ["dump", "pages", "pages by the log"] as const;
type Beginning = (typeof BEGINNINGS)[number];

let source: PageDatabase;
let expected: string[];
const worlds = new Map<Beginning, () => Promise<void>>();
let later = 0;
/** Backups of one second sort by their random ids, so make each later than the one before. */
const now = () => Date.now() + later;

const databasesFor = (beginning: Beginning) => ({
  shop: { ...source.config, capture: beginning === "dump" ? "dump" : "pages" },
});

beforeAll(async () => {
  source = await PageDatabase.create();
  await source.fill("items", 3);
  const nothing = await saveWorld();
  const context = testContext(databasesFor("pages"));
  expect(await backUp(context, manualRun("shop"))).toMatchObject({ state: "done" });
  worlds
    .set("pages by the log", await saveWorld())
    .set("dump", nothing)
    .set("pages", nothing);
  await source.exec("UPDATE items SET pad = 'changed' WHERE id = 2");
  expected = await describe(source);
});
/** Run the steps of a Workflow; a step that hangs times out, as on Cloudflare. */
function timedStep(hung: () => Promise<never>, timedOut: () => void): WorkflowStep {
  const attempt = async (action: () => Promise<unknown>) => {
    const time = hung();
    time.catch(timedOut);
    return Promise.race([action(), time]);
  };
  return {
    async do(_name: string, ...rest: unknown[]) {
      const action = rest.at(-1) as () => Promise<unknown>;
      for (let left = 3; ; left--)
        try {
          return await attempt(action);
        } catch (thrown) {
          if (left === 0 || thrown instanceof NonRetryableError) throw thrown;
        }
    },
  } as WorkflowStep;
}

async function backUpTo(kind: FaultKind, nth: number, beginning: Beginning) {
  await worlds.get(beginning)!();
  later += 2000;
  const { bucket, what, hung } = lyingBucket(kind, nth);
  const databases = databasesFor(beginning);
  const context: Context = { ...testContext(databases, { bucket, now }) };
  const run = manualRun("shop");
  await enterRun(context.catalog, run, now());
  // A call that hangs keeps its turn with the Follower, and its memory, until its two minutes are over.
  const renew = () => {
    const { followers, memory } = testContext(databases, { bucket, now });
    Object.assign(context, { followers, memory });
  };
  await runBackup(context, run.id, timedStep(hung, renew)).catch(() => {});
  return { what: what(), run: (await findRun(context.catalog, run.id))! };
}

/**
 * Expect that a good backup in the catalog contains what the source contained, and that a failed run has an
 * error.
 */
async function expectRight(run: Run, when: string): Promise<void> {
  const { catalog } = testContext({});
  const backups = await listBackups(catalog, "shop", 10);
  for (const { runId, manifest, verification, drill } of backups) {
    const good = verification?.outcome === "verified" || drill?.outcome === "passed";
    if (good && runId === run.id) expect(await contentOf(manifest), when).toEqual(expected);
  }
  if (run.state === "done") {
    const made = backups.find(({ id }) => id === run.backupId);
    expect([made?.verification?.outcome, made?.drill?.outcome], when).toEqual([
      "verified",
      "passed",
    ]);
    return;
  }
  expect(run.state, when).toBe("failed");
  expect(run.error, when).not.toBeNull();
  expect(run.error!.code, `${when}: ${run.error!.message}`).not.toBe("INTERNAL");
}

/** Expect that a run on a healthy bucket is done, and that nothing incomplete remains of the previous one. */
async function expectHealed(kind: FaultKind, beginning: Beginning, when: string): Promise<void> {
  later += 2000;
  const context = testContext(databasesFor(beginning), { now });
  const run = await backUp(context, manualRun("shop"));
  expect(run, `${when}, then ${JSON.stringify(run.error)}`).toMatchObject({ state: "done" });
  await expectRight(run, when);
  expect(await uploadsOf(context.catalog, "shop"), when).toEqual([]);
  const keys = (await listBackups(context.catalog, "shop", 10)).flatMap(({ manifest }) => [
    manifest.key,
    manifest.manifestKey,
  ]);
  // A delete that did nothing cannot be detected: reconcile reports its object.
  if (kind === "deletes nothing") return;
  for (const key of await backupKeys(BUCKET, "manual/")) expect(keys, when).toContain(key);
}

/** Faults that can leave something to repair. Failed reads and calls without an answer leave nothing. */
const LEAVING = faultsLike(/stores|deletes|knows/);

const CASES = BEGINNINGS.flatMap((beginning) =>
  [...LYING, ...HANGING]
    .filter((kind) => !/second|third|fourth|unused/.test(kind)) // few objects; only by the verify
    .filter((kind) => beginning === "dump" || kind !== "never hears") // like a kill: see atomicity
    .filter((kind) => beginning !== "pages" || !HANGING.includes(kind)) // same calls as the others
    .map((kind) => [beginning, kind] as const),
);

group("a backup into a bucket that misbehaves at any one call", () => {
  it.each(CASES)("by %s: it %s", async (beginning, kind) => {
    const { first, step } = callsFor(kind);
    for (let nth = first, when = ""; ; nth += step) {
      const { what, run } = await backUpTo(kind, nth, beginning);
      if (what !== "") when = `${kind} at call ${nth}: ${what}`;
      await expectRight(run, when);
      // A step repeats a call without an answer, and a part that was stored short.
      const noticed =
        HANGING.includes(kind) || (/less/.test(kind) && what.startsWith("uploadPart"));
      if (what === "" || noticed) expect(run, when).toMatchObject({ state: "done" });
      if (what === "" || LEAVING.includes(kind)) await expectHealed(kind, beginning, when);
      if (what === "") break;
      expect(nth).toBeLessThan(60);
    }
  });
});

it("a bucket that swaps two parts of an upload is found out", async () => {
  const large = await PageDatabase.create();
  await large.exec(
    "CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) INSERT INTO t SELECT randomblob(2000000) FROM n",
  );
  for (const capture of ["pages", "dump"]) {
    const databases = { large: { ...large.config, capture } };
    const run = await backUp(
      testContext(databases, { bucket: swappingBucket() }),
      manualRun("large"),
    );
    expect(run).toMatchObject({ state: "failed", error: { code: "OBJECT_CORRUPT" } });
    const backups = await listBackups(testContext({}).catalog, "large", 10);
    for (const { verification } of backups) expect(verification?.outcome).toBe("corrupt");
  }
});
