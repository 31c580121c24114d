import { orFail } from "../errors.ts";

/**
 * Every object whose key starts with `prefix`, in the order of the keys.
 *
 * @param after only those behind this key
 * @throws NightjarError `STORE_FAILED`
 */
export async function* listObjects(
  bucket: R2Bucket,
  prefix: string,
  after?: string,
): AsyncIterable<R2Object> {
  for (let startAfter = after; ;) {
    const page = await orFail("STORE_FAILED", `listing ${prefix}`, () =>
      bucket.list({ prefix, ...(startAfter === undefined ? {} : { startAfter }) }),
    );
    yield* page.objects;
    if (!page.truncated) return;
    startAfter = page.objects.at(-1)!.key;
  }
}

/**
 * Every key that starts with `prefix`.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function listKeys(bucket: R2Bucket, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listObjects(bucket, prefix)) keys.push(key);
  return keys;
}
