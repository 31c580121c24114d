import { findBackup } from "../catalog/backups.ts";
import { findObjects, forgetObjects, objectKeysUnder, recordObjects } from "../catalog/objects.ts";
import type { Catalog } from "../catalog/open.ts";
import { macKeyOf } from "../format/object-mac.ts";
import { manifestText, sha256Of } from "../store/document.ts";
import { guardBucket, type GuardedBucket, type KnownObject } from "../store/guarded-bucket.ts";
import { ownKey, parseKey } from "../store/keys.ts";

/** The bucket, held against what the catalog knows of each object. */
export function guardedBucket(
  bucket: R2Bucket,
  catalog: Catalog,
  signingKey: string,
): GuardedBucket {
  return guardBucket(
    bucket,
    {
      async find(keys) {
        const found = new Map<string, KnownObject>();
        for (const object of await findObjects(catalog, keys)) found.set(object.key, object);
        for (const key of keys) {
          if (found.has(key)) continue;
          const object = await knownByItsBackup(catalog, key);
          if (object !== undefined) found.set(key, object);
        }
        return found;
      },
      under: (prefix) => objectKeysUnder(catalog, prefix),
      record: (objects) => recordObjects(catalog, objects),
      forget: (keys) => forgetObjects(catalog, keys),
    },
    macKeyOf(signingKey),
  );
}

/**
 * What the catalog's row of a backup tells of its bytes and its manifest, where nobody has recorded
 * their versions: the catalog was rebuilt, or an older Nightjar wrote them.
 */
async function knownByItsBackup(catalog: Catalog, key: string): Promise<KnownObject | undefined> {
  const name = parseKey(key);
  if (name === undefined || name.part === "proof") return undefined;
  const manifest = (await findBackup(catalog, name.id))?.manifest;
  if (manifest === undefined) return undefined;
  if (name.part === "bytes")
    return ownKey(key) === ownKey(manifest.key)
      ? { key, version: null, ...manifest.stored }
      : undefined;
  if (key !== manifest.manifestKey) return undefined;
  const text = manifestText(manifest);
  return {
    key,
    version: null,
    sha256: sha256Of(text),
    bytes: new TextEncoder().encode(text).length,
  };
}
