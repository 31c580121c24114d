import { messageOf, NightjarError, failAs } from "../errors/errors.ts";
import { freeing } from "../format/bytes/bytes.ts";
import type { ObjectReader } from "./read-counter.ts";

/**
 * Read an object's bytes in spans of `spanBytes`. Each span is read whole before the next but one is
 * asked for: however slowly they are consumed, no connection to R2 stays open, of which a Worker has
 * six. A span is valid until the next but one is asked for: then its memory is freed.
 *
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT` for another size, or `STORE_FAILED`
 */
export function readInSpans(
  bucket: ObjectReader,
  key: string,
  size: number,
  spanBytes: number,
): AsyncIterable<Uint8Array> {
  return freeing(readSpans(bucket, key, size, spanBytes));
}

async function* readSpans(
  bucket: ObjectReader,
  key: string,
  size: number,
  spanBytes: number,
): AsyncIterable<Uint8Array> {
  const read = (offset: number) =>
    readSpan(bucket, key, offset, Math.min(spanBytes, size - offset), size);
  let ahead: Promise<Uint8Array> | undefined = size > 0 ? read(0) : undefined;
  for (let at = 0; ahead !== undefined;) {
    const span = await ahead;
    at += span.length;
    ahead = at < size ? read(at) : undefined;
    ahead?.catch(() => {}); // reported where it is awaited
    yield span;
  }
}

/**
 * R2's error for a range that begins after the object's end
 * (developers.cloudflare.com/r2/api/error-codes).
 */
const BEYOND = /\(10039\)/;

/**
 * Read `length` bytes of an object from `offset`.
 *
 * @param size the number of bytes that the whole object must have
 * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function readSpan(
  bucket: ObjectReader,
  key: string,
  offset: number,
  length: number,
  size: number,
): Promise<Uint8Array> {
  await bucket.settle?.(key); // apart from the request below, as it may read the whole object
  const { object, bytes } = await failAs("STORE_FAILED", `reading ${key}`, async () => {
    // R2 has no ranges of an empty object, and an object may be empty that should not be.
    const options = length === size ? {} : { range: { offset, length } };
    const found = await bucket.get(key, options).catch((thrown: unknown) => {
      if (!BEYOND.test(messageOf(thrown))) throw thrown;
      throw new NightjarError("OBJECT_CORRUPT", `${key} ends before byte ${offset} of ${size}.`);
    });
    // An object of another size is not read: it may be of any size.
    if (found !== null && found.size !== size) {
      await found.body.cancel();
      return { object: found, bytes: new Uint8Array() };
    }
    return { object: found, bytes: new Uint8Array((await found?.arrayBuffer()) ?? []) };
  });
  if (object === null) throw new NightjarError("OBJECT_MISSING", `${key} is not in the bucket.`);
  if (object.size !== size || bytes.length !== length)
    throw new NightjarError("OBJECT_CORRUPT", `${key} has ${object.size} bytes, not ${size}.`);
  return bytes;
}
