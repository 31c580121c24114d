import { isLocked, failAsStore } from "./refusal.ts";

/** Objects that R2 deletes at a time. */
const BATCH = 1000;

/**
 * Delete objects. Objects that do not exist are no error.
 *
 * @throws NightjarError `STORE_LOCKED` or `STORE_FAILED`
 */
export async function removeObjects(bucket: R2Bucket, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += BATCH) {
    const batch = keys.slice(at, at + BATCH);
    await failAsStore(`deleting ${batch.length} objects`, () => bucket.delete(batch));
  }
}

/**
 * Delete the objects that no lock rule of the bucket holds.
 *
 * @returns the keys of those that are locked and still there
 * @throws NightjarError `STORE_FAILED`
 */
export async function removeUnlocked(bucket: R2Bucket, keys: readonly string[]): Promise<string[]> {
  try {
    await removeObjects(bucket, keys);
    return [];
  } catch (thrown) {
    if (!isLocked(thrown)) throw thrown;
  }
  // R2 does not name the locked object: delete one at a time.
  const locked: string[] = [];
  for (const key of keys) {
    try {
      await removeObjects(bucket, [key]);
    } catch (thrown) {
      if (!isLocked(thrown)) throw thrown;
      locked.push(key);
    }
  }
  return locked;
}
