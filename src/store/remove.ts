import { orFail } from "../errors.ts";

/**
 * Delete objects, at most 1,000 at a time (R2's limit). Those that are gone already are no error.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function removeObjects(bucket: R2Bucket, keys: string[]): Promise<void> {
  await orFail("STORE_FAILED", `deleting ${keys.length} objects`, () => bucket.delete(keys));
}
