import { failAs } from "../errors/errors.ts";

interface ListOptions {
  /** Only keys after this one. */
  readonly after?: string;
  /** With what the objects say of themselves beside their bytes: their custom metadata. */
  readonly notes?: boolean;
}

/**
 * Every object whose key starts with `prefix`, in the order of the keys.
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
 * Every key that starts with `prefix`.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function listKeys(bucket: R2Bucket, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listObjects(bucket, prefix)) keys.push(key);
  return keys;
}

/**
 * Every object but those of the page logs, in the order of the keys.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function* listBackupObjects(bucket: R2Bucket): AsyncIterable<R2Object> {
  for await (const object of listObjects(bucket, "")) {
    if (!object.key.startsWith("log/")) {
      yield object;
      continue;
    }
    yield* listObjects(bucket, "", { after: "log0" }); // what comes after them
    return;
  }
}
