import { type Prunable, pinnedByHand, removeBackups } from "../../catalog/backups.ts";
import { forgetObjectsOf } from "../../catalog/objects.ts";
import type { Context } from "../../worker/context.ts";
import { manifestKey, ownKey, pinnedKey } from "../../store/keys.ts";
import { objectsOf } from "../../store/objects-of.ts";
import { removeUnlocked } from "../../store/remove.ts";

/** Backups removed at a time; D1 takes at most 100 parameters per query. */
const BATCH = 90;

/**
 * Remove backups from the bucket, with pinned copies and proofs, and from the catalog. Manifests are
 * deleted first, so that a backup disappears in one step; the catalog's rows are deleted last, so that
 * the next prune finishes a killed one. A backup that somebody pins meanwhile stays.
 *
 * @returns the backups that a lock rule of the bucket still holds
 * @throws NightjarError `CATALOG_FAILED` or `STORE_FAILED`
 */
export async function removeAll(
  { catalog, bucket }: Context,
  doomed: readonly Prunable[],
): Promise<Prunable[]> {
  const objects = await objectsOf(bucket, doomed);
  const locked = new Set<string>();
  for (let at = 0; at < doomed.length; at += BATCH) {
    const batch = doomed.slice(at, at + BATCH).map(({ id }) => id);
    const pinned = await pinnedByHand(catalog, batch);
    const ids = new Set(batch.filter((id) => !pinned.includes(id)));
    for (const part of ["manifest", "bytes", "proof"] as const) {
      const of = objects.filter((object) => object.part === part && ids.has(object.id));
      const held = await removeUnlocked(
        bucket,
        of.map(({ key }) => key),
      );
      for (const { key, id } of of)
        if (held.includes(key)) {
          locked.add(id);
          ids.delete(id);
        }
    }
    const gone = doomed.filter(({ id }) => ids.has(id)).map((backup) => manifestStem(backup));
    await forgetObjectsOf(catalog, [...gone, ...gone.map(pinnedKey)]); // also those that a lifecycle deleted
    await removeBackups(catalog, [...ids]);
  }
  return doomed.filter(({ id }) => locked.has(id));
}

/** Return the prefix of the keys of all objects of a backup. */
const manifestStem = (backup: Prunable) => manifestKey(backup).replace(/\.json$/, "");

/**
 * Remove the bytes and the manifests that backups were copied from, where no lock holds them: the
 * catalog points at the copies.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function removeOriginals(
  { bucket }: Context,
  pinned: readonly Prunable[],
): Promise<void> {
  const held = new Set(await removeUnlocked(bucket, pinned.map(manifestKey)));
  const free = pinned.filter((backup) => !held.has(manifestKey(backup)));
  await removeUnlocked(
    bucket,
    free.map(({ key }) => ownKey(key)),
  );
}
