import { type Prunable, pinnedByHand, removeBackups } from "../../catalog/backups.ts";
import { forgetObjectsOf } from "../../catalog/objects.ts";
import type { Context } from "../../worker/context.ts";
import { manifestKey, ownKey, pinnedKey } from "../../store/keys.ts";
import { objectsOf } from "../../store/objects-of.ts";
import { removeUnlocked } from "../../store/remove.ts";

/** Backups removed at a time; D1 takes at most 100 parameters a query. */
const BATCH = 90;

/**
 * Remove backups from the bucket, pinned copies and proofs too, and from the catalog. Manifests go
 * first, so that a backup ends to exist whole; the catalog's rows go last, so that a killed prune is
 * finished by the next one. What somebody pins meanwhile stays.
 *
 * @returns those that a lock rule of the bucket still holds
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
    await forgetObjectsOf(catalog, [...gone, ...gone.map(pinnedKey)]); // what a lifecycle took too
    await removeBackups(catalog, [...ids]);
  }
  return doomed.filter(({ id }) => locked.has(id));
}

/** What the keys of all objects of a backup begin with. */
const manifestStem = (backup: Prunable) => manifestKey(backup).replace(/\.json$/, "");

/**
 * Remove the bytes and the manifests that backups were copied from, where no lock holds them: the copy
 * is what the catalog points at.
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
