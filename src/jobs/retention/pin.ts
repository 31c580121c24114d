import { type Backup, existingBackup, repointBackup } from "../../catalog/backups.ts";
import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { verified } from "../../format/bytes/hash.ts";
import { log } from "../../core/log.ts";
import type { Manifest, Pin } from "../../model/manifest.ts";
import { parseManifest } from "../../model/parse-manifest.ts";
import {
  manifestText,
  readWholeDocument,
  replaceDocument,
  replaceManifest,
  writeManifest,
} from "../../store/document.ts";
import type { GuardedBucket } from "../../store/guarded-bucket.ts";
import { manifestKey, ownKey, pinnedKey, placeOf, proofPrefix } from "../../store/keys.ts";
import { listKeys } from "../../store/list.ts";
import { PART_BYTES, writeMultipart } from "../../store/multipart.ts";
import { readInSpans } from "../../store/range-reader.ts";
import { objectExists } from "../../store/read.ts";
import { removeObjects } from "../../store/remove.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";

/**
 * Copy a backup to where no lifecycle rule deletes it: the bytes, checked on the way and read back, the
 * proofs, then the manifest, which makes the copy whole. Then point the catalog at it. A copy that a
 * killed pin has left is finished. The backup's own objects stay where they are.
 *
 * @param by a pin by hand takes precedence over the policy's: it ends only by hand
 * @returns the manifest of the copy
 * @throws NightjarError `BACKUP_NOT_FOUND`, `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`,
 *   `CATALOG_FAILED`
 */
export async function pinBackup(
  context: Context,
  id: string,
  by: Pin["by"],
  reason: string,
): Promise<Manifest> {
  const { bucket, catalog, deps } = context;
  const backup = await existingBackup(catalog, id);
  const { key, own } = await inTurn(context, COSTS.pin, () => copyBytes(bucket, backup));
  await copyProofs(bucket, backup);

  const at = new Date(deps.now()).toISOString();
  const pin: Pin = by === "policy" && own.pin?.by === "user" ? own.pin : { by, reason, at };
  let copy: Manifest = { ...own, key, manifestKey: pinnedKey(manifestKey(backup)), pin };
  const standing = await standingManifest(bucket, copy.manifestKey);
  if (standing !== null && by === "policy")
    copy = parseManifest(standing, placeOf(copy.manifestKey));
  else {
    await (standing === null ? writeManifest : replaceManifest)(bucket, copy);
    await readBack(bucket, copy);
  }

  const there = await repointBackup(catalog, id, copy);
  // A prune that deleted the backup meanwhile has removed the row, or the copy while it was being made.
  if (!there) await removeObjects(bucket, [copy.manifestKey, key]);
  if (!there || !(await objectExists(bucket, key)))
    throw new NightjarError("BACKUP_NOT_FOUND", `Backup ${id} was removed while it was pinned.`);
  log.info("backup-pinned", { backup: id, by: copy.pin?.by, key });
  return copy;
}

/**
 * Remove a pin by hand. The copy stays until the next prune, which deletes it as soon as the policy
 * does not need it.
 *
 * @throws NightjarError `BACKUP_NOT_FOUND`, `PIN_NOT_FOUND`, `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function unpinBackup(context: Context, id: string): Promise<Manifest> {
  const { manifest } = await existingBackup(context.catalog, id);
  if (manifest.pin?.by !== "user")
    throw new NightjarError("PIN_NOT_FOUND", `Backup ${id} is not pinned by hand.`);
  const at = new Date(context.deps.now()).toISOString();
  const pin: Pin = { by: "policy", reason: "was pinned by hand until then", at };
  const copy: Manifest = { ...manifest, pin };
  await replaceManifest(context.bucket, copy);
  await readBack(context.bucket, copy);
  await repointBackup(context.catalog, id, copy);
  log.info("backup-unpinned", { backup: id });
  return copy;
}

/**
 * Copy the bytes, unless the copy is there already. Return its key, and the manifest that the catalog
 * has.
 */
async function copyBytes(
  bucket: GuardedBucket,
  backup: Backup,
): Promise<{ key: string; own: Manifest }> {
  const own = backup.manifest;
  const source = ownKey(own.key);
  const key = pinnedKey(source);
  const check = (from: string) =>
    verified(readInSpans(bucket, from, own.stored.bytes, PART_BYTES), own.stored, from);
  if (await objectExists(bucket, key)) {
    if (own.key === key || (await isWhole(check(key)))) return { key, own };
    if (!(await objectExists(bucket, source)))
      throw new NightjarError("OBJECT_CORRUPT", `${key} does not hold what was written to it.`);
    await removeObjects(bucket, [key]);
  }
  await writeMultipart(bucket, key, check(source), {
    contentType: own.encryption === undefined ? "application/zstd" : "application/octet-stream",
    onUpload: async () => {}, // R2 itself aborts the upload of a killed one after seven days
  });
  // The original will be deleted, and then the copy is all there is: it counts once it has been read
  // back.
  if (await isWhole(check(key))) return { key, own };
  await removeObjects(bucket, [key]);
  throw new NightjarError("STORE_FAILED", `R2 does not hold what was written to ${key}.`);
}

/** Return the manifest of a copy that is there already. A damaged one is deleted. */
async function standingManifest(bucket: GuardedBucket, key: string): Promise<string | null> {
  const text = await readWholeDocument(bucket, key);
  if (text === null && (await objectExists(bucket, key))) await removeObjects(bucket, [key]);
  return text;
}

/**
 * Read the manifest of a copy back.
 *
 * @throws NightjarError `STORE_FAILED` if R2 does not hold what was written
 */
async function readBack(bucket: GuardedBucket, manifest: Manifest): Promise<void> {
  const { manifestKey: key } = manifest;
  const expected = manifestText(manifest);
  if ((await readWholeDocument(bucket, key, { expected })) !== expected)
    throw new NightjarError("STORE_FAILED", `R2 does not hold what was written to ${key}.`);
}

/**
 * Return true if bytes are what they should be: those that a killed pin has left may not have been
 * checked.
 */
async function isWhole(bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  try {
    for await (const chunk of bytes) void chunk;
    return true;
  } catch (thrown) {
    if (thrown instanceof NightjarError && thrown.code === "OBJECT_CORRUPT") return false;
    throw thrown;
  }
}

/**
 * Copy the proofs of a backup, except one that is damaged or not Nightjar's: its copy would count as
 * Nightjar's.
 */
async function copyProofs(bucket: GuardedBucket, backup: Backup): Promise<void> {
  const keys = await listKeys(bucket, proofPrefix(manifestKey(backup)));
  await bucket.expect(keys);
  for (const key of keys) {
    const text = await readWholeDocument(bucket, key);
    if (text !== null) await replaceDocument(bucket, pinnedKey(key), text);
    else log.warn("proof-not-copied", { key });
  }
}
