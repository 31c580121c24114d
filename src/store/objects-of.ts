import { type BackupName, parseKey, type ParsedKey, pinnedKey } from "./keys.ts";
import { listKeys } from "./list.ts";

/** An object of a backup, with the parts of its key. */
export type BackupObject = ParsedKey & { readonly key: string };

/**
 * List every object of some backups that is in the bucket: bytes, manifests and proofs, pinned copies
 * too.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function objectsOf(
  bucket: R2Bucket,
  backups: readonly Pick<BackupName, "tier" | "database" | "id">[],
): Promise<BackupObject[]> {
  const ids = new Set(backups.map(({ id }) => id));
  const folders = new Set(backups.map(({ tier, database }) => `${tier}/${database}/`));
  const found: BackupObject[] = [];
  for (const folder of folders)
    for (const prefix of [folder, pinnedKey(folder)])
      for (const key of await listKeys(bucket, prefix)) {
        const name = parseKey(key);
        if (name !== undefined && ids.has(name.id)) found.push({ ...name, key });
      }
  return found;
}
