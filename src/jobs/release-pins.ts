import { type Prunable, repointBackup } from "../catalog/backups.ts";
import type { Context } from "../context.ts";
import { log } from "../log.ts";
import type { Manifest } from "../manifest.ts";
import { bytesKey, manifestKey } from "../store/keys.ts";
import { readManifest } from "../store/manifest.ts";
import { objectsOf } from "../store/objects-of.ts";
import { objectExists } from "../store/read.ts";
import { removeObjects } from "../store/remove.ts";

/**
 * Remove the copies of backups whose own objects are safe again; the catalog points at these first. A
 * copy whose original is gone stays.
 *
 * @throws NightjarError `CATALOG_FAILED` or `STORE_FAILED`
 */
export async function releasePins(
  { bucket, catalog }: Context,
  backups: readonly Prunable[],
): Promise<void> {
  const released: Prunable[] = [];
  for (const backup of backups) {
    const own = await readManifest(bucket, manifestKey(backup));
    if (own === null || !(await objectExists(bucket, bytesKey(backup, backup.kind)))) continue;
    // Unless somebody has pinned it by hand since.
    if (await repointBackup(catalog, backup.id, JSON.parse(own) as Manifest, "policy"))
      released.push(backup);
  }
  if (released.length === 0) return;
  const copies = (await objectsOf(bucket, released)).filter(({ pinned }) => pinned);
  const of = (manifests: boolean) =>
    copies.filter(({ part }) => (part === "manifest") === manifests).map(({ key }) => key);
  await removeObjects(bucket, of(true));
  await removeObjects(bucket, of(false));
  log.info("pins-released", { count: released.length });
}
