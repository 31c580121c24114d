import { manifestsOf } from "../catalog/backups.ts";
import { findObjects, forgetObjects, objectKeysUnder, recordObjects } from "../catalog/objects.ts";
import type { Catalog } from "../catalog/open.ts";
import { macKeyOf } from "../format/bytes/object-mac.ts";
import { manifestText, sha256Of } from "../store/document.ts";
import { guardBucket, type GuardedBucket, type KnownObject } from "../store/guarded-bucket.ts";
import { ownKey, parseKey } from "../store/keys.ts";

/**
 * The bucket, held against what the catalog knows of each object.
 *
 * @param formerKeys signing keys of before, whose MACs are believed too
 */
export function guardedBucket(
  bucket: R2Bucket,
  catalog: Catalog,
  signingKey: string,
  formerKeys: readonly string[] = [],
): GuardedBucket {
  return guardBucket(
    bucket,
    {
      async find(keys) {
        const found = new Map<string, KnownObject>();
        for (const object of await findObjects(catalog, keys)) found.set(object.key, object);
        const unknown = keys.filter((key) => !found.has(key));
        for (const object of await knownByTheirBackups(catalog, unknown))
          found.set(object.key, object);
        return found;
      },
      under: (prefix) => objectKeysUnder(catalog, prefix),
      record: (objects) => recordObjects(catalog, objects),
      forget: (keys) => forgetObjects(catalog, keys),
    },
    [macKeyOf(signingKey), ...formerKeys.map(macKeyOf)],
  );
}

/**
 * What the catalog's rows of backups tell of their bytes and manifests, where nobody has recorded their
 * versions: the catalog was rebuilt, or an older Nightjar wrote them.
 */
async function knownByTheirBackups(
  catalog: Catalog,
  keys: readonly string[],
): Promise<KnownObject[]> {
  const names = keys.flatMap((key) => {
    const name = parseKey(key);
    return name === undefined || name.part === "proof" ? [] : [{ key, ...name }];
  });
  if (names.length === 0) return [];
  const manifests = await manifestsOf(catalog, [...new Set(names.map(({ id }) => id))]);
  return names.flatMap(({ key, id, part }) => {
    const manifest = manifests.get(id);
    if (manifest === undefined) return [];
    if (part === "bytes")
      return ownKey(key) === ownKey(manifest.key)
        ? [{ key, version: null, ...manifest.stored }]
        : [];
    if (key !== manifest.manifestKey) return [];
    const text = manifestText(manifest);
    const bytes = new TextEncoder().encode(text).length;
    return [{ key, version: null, sha256: sha256Of(text), bytes }];
  });
}
