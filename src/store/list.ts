import { failAs } from "../errors/errors.ts";

interface ListOptions {
  /** Only keys after this one. */
  readonly after?: string;
  /** Include the custom metadata of the objects. */
  readonly notes?: boolean;
}

/**
 * Yield every object whose key starts with `prefix`, in the order of the keys.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function* listObjects(
  bucket: R2Bucket,
  prefix: string,
  { after, notes = false }: ListOptions = {},
): AsyncIterable<R2Object> {
  for (let startAfter = after; ;) {
    const page = await failAs("STORE_FAILED", `listing ${prefix}`, () =>
      bucket.list({
        prefix,
        ...(startAfter === undefined ? {} : { startAfter }),
        ...(notes ? { include: ["customMetadata"] } : {}),
      }),
    );
    yield* page.objects;
    if (!page.truncated) return;
    startAfter = page.objects.at(-1)!.key;
  }
}

/**
 * Return every key that starts with `prefix`.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function listKeys(bucket: R2Bucket, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listObjects(bucket, prefix)) keys.push(key);
  return keys;
}

/**
 * Yield every object except those of the page logs, in the order of the keys.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function* listBackupObjects(bucket: R2Bucket): AsyncIterable<R2Object> {
  for await (const object of listObjects(bucket, "")) {
    if (!object.key.startsWith("log/")) {
      yield object;
      continue;
    }
    yield* listObjects(bucket, "", { after: "log0" }); // the objects after the logs
    return;
  }
}
