import { findBackup, type Prunable, repointBackup } from "../../catalog/backups.ts";
import type { Context } from "../../worker/context.ts";
import { log } from "../../core/log.ts";
import { parseManifest } from "../../model/parse-manifest.ts";
import { DAY } from "../../plan/duration.ts";
import { readWholeDocument } from "../../store/document.ts";
import { manifestKey, ownKey, pinnedKey, placeOf } from "../../store/keys.ts";
import { objectsOf } from "../../store/objects-of.ts";
import { objectAge, objectExists } from "../../store/read.ts";
import { removeObjects } from "../../store/remove.ts";

/**
 * Age from which a copy that the catalog does not know is deleted, ms: a younger one may still be being
 * made.
 */
const SURELY_LEFT = DAY;

/**
 * Remove the copies of backups whose own objects are safe again; the catalog is pointed at those first.
 * A copy whose original is missing stays. A copy that a killed pin has left is removed once it is a day
 * old.
 *
 * @param now ms
 * @throws NightjarError `CATALOG_FAILED` or `STORE_FAILED`
 */
export async function releasePins(
  context: Context,
  backups: readonly Prunable[],
  now: number,
): Promise<void> {
  const { bucket, catalog } = context;
  const released: Prunable[] = [];
  for (const backup of backups) {
    const own = await readWholeDocument(bucket, manifestKey(backup));
    if (own === null || !(await objectExists(bucket, ownKey(backup.key)))) continue;
    const free =
      backup.pin === null
        ? await isLeftOver(context, backup, now)
        : // Unless somebody has pinned it by hand since.
          await repointBackup(
            catalog,
            backup.id,
            parseManifest(own, placeOf(manifestKey(backup))),
            "policy",
          );
    if (free) released.push(backup);
  }
  if (released.length === 0) return;
  const copies = (await objectsOf(bucket, released)).filter(({ pinned }) => pinned);
  const of = (manifests: boolean) =>
    copies.filter(({ part }) => (part === "manifest") === manifests).map(({ key }) => key);
  await removeObjects(bucket, of(true));
  await removeObjects(bucket, of(false));
  log.info("pins-released", { count: released.length });
}

async function isLeftOver(
  { bucket, catalog }: Context,
  backup: Prunable,
  now: number,
): Promise<boolean> {
  for (const key of [ownKey(backup.key), manifestKey(backup)])
    if ((await objectAge(bucket, pinnedKey(key), now)) < SURELY_LEFT) return false;
  const row = await findBackup(catalog, backup.id);
  return row?.manifest.pin === undefined;
}
