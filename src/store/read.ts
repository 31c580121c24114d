import { NightjarError, failAs } from "../errors/errors.ts";
import type { ObjectReader } from "./read-counter.ts";

/** A span of bytes: `length` from `offset`. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/**
 * Read a stored object's bytes, whole or a span of them.
 *
 * @param size the number of bytes that the whole object must have
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT` for another size, or `STORE_FAILED`
 */
export async function readObject(
  bucket: ObjectReader,
  key: string,
  span: Span | undefined,
  size: number,
): Promise<ReadableStream<Uint8Array>> {
  await bucket.settle?.(key); // apart from the request below, as it may read the whole object
  const object = await failAs("STORE_FAILED", `reading ${key}`, () =>
    bucket.get(key, span === undefined ? {} : { range: span }),
  );
  if (object === null) throw new NightjarError("OBJECT_MISSING", `${key} is not in the bucket.`);
  if (object.size !== size) {
    await object.body.cancel();
    throw new NightjarError("OBJECT_CORRUPT", `${key} has ${object.size} bytes, not ${size}.`);
  }
  return object.body;
}

/** Return true if an object is in the bucket. @throws NightjarError `STORE_FAILED` */
export async function objectExists(bucket: R2Bucket, key: string): Promise<boolean> {
  return failAs(
    "STORE_FAILED",
    `looking for ${key}`,
    async () => (await bucket.head(key)) !== null,
  );
}

/**
 * Return the time since an object was stored, ms; Infinity for one that is not there.
 *
 * @param now ms
 * @throws NightjarError `STORE_FAILED`
 */
export async function objectAge(bucket: R2Bucket, key: string, now: number): Promise<number> {
  const object = await failAs("STORE_FAILED", `looking for ${key}`, () => bucket.head(key));
  return object === null ? Infinity : now - object.uploaded.getTime();
}
