import { env } from "cloudflare:workers";
import { beforeAll, expect, inject, it } from "vitest";
import { findBackup, listBackups, newestBackup } from "../../../src/catalog/backups.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { reconcile } from "../../../src/jobs/recovery/reconcile.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";

const { BUCKET, DB } = env;
const DATABASES = { shop: { url: inject("small"), capture: "dump" } };

let context: ReturnType<typeof testContext>;
const later = Date.now() + 2 * DAY;
const agreed = {
  ...{ entered: [], missing: [], verifying: [], damaged: [] },
  ...{ orphans: [] as string[], foreign: 0 },
};

beforeAll(async () => {
  context = testContext(DATABASES);
  for (let count = 0; count < 3; count++) await backUp(context, manualRun("shop"));
});

it("finds nothing where bucket and catalog agree, and what is new is left to its run", async () => {
  expect(await reconcile(context, later)).toEqual(agreed);
  await BUCKET.put("manual/shop/20260101T000000Z-00000000000a.sql.zst", "being written");
  expect(await reconcile(context, Date.now())).toEqual(agreed);
});

it("reports what belongs to nothing, and deletes none of it", async () => {
  await BUCKET.put(
    "log/shop/20260101T000000Z-00000000000a/ltx/0/0000000000000002-0000000000000002.ltx",
    "x",
  );
  await BUCKET.put("notes.txt", "somebody's own");
  const keys = await allKeys();
  expect(await reconcile(context, later)).toEqual({
    ...agreed,
    orphans: [
      "manual/shop/20260101T000000Z-00000000000a.sql.zst",
      "log/shop/20260101T000000Z-00000000000a/ltx/0/0000000000000002-0000000000000002.ltx",
    ],
    foreign: 1,
  });
  expect(await allKeys()).toEqual(keys);
  await BUCKET.delete(keys.filter((key) => /^(log|notes)|00000000000a/.test(key)));
});

it("enters a backup that the catalog has lost", async () => {
  const backup = (await newestBackup(context.catalog, "shop"))!;
  await DB.prepare("DELETE FROM backups WHERE id = ?").bind(backup.id).run();
  const found = await reconcile(context, later);
  expect(found).toEqual({ ...agreed, entered: [backup.manifest.manifestKey] });
  expect(await findBackup(context.catalog, backup.id)).toEqual(backup);
});

it("finds a backup corrupt whose bytes or manifest are gone, once", async () => {
  const [first, second] = await listBackups(context.catalog, "shop", 2);
  await BUCKET.delete([first!.manifest.key, second!.manifest.manifestKey]);
  const { missing, ...rest } = await reconcile(context, later);
  expect(missing.toSorted()).toEqual([first!.id, second!.id].toSorted());
  expect({ ...rest, missing: [] }).toEqual(agreed);
  for (const { id } of [first!, second!])
    expect((await findBackup(context.catalog, id))!.verification).toMatchObject({
      outcome: "corrupt",
      problem: { code: "OBJECT_MISSING" },
    });
  expect(await reconcile(context, later)).toEqual(agreed);
});

it("has what no run has verified verified", async () => {
  const { id } = (await listBackups(context.catalog, "shop", 3))[2]!;
  await DB.prepare("UPDATE backups SET verification = NULL WHERE id = ?").bind(id).run();
  expect(await reconcile(context, later)).toEqual({ ...agreed, verifying: [id] });
  expect(context.proofsStarted.at(-1)).toMatch(new RegExp(`^verify-${id}-\\d+$`));
});
