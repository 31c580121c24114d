import { createHash } from "node:crypto";
import { asNightjarError, NightjarError, failAs } from "../errors/errors.ts";
import { type GuardedBucket, LONGEST_DOCUMENT } from "./guarded-bucket.ts";
import { isLocked, failAsStore } from "./refusal.ts";

/** The part of a manifest that this module needs: its key. */
interface Placed {
  readonly manifestKey: string;
}

/** Return the text of a manifest, as it is written. */
export function manifestText(manifest: Placed): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/**
 * Write a manifest, once: this makes a backup exist. Writing the same again is no error, so that a step
 * may be retried; another manifest under the same key is never replaced.
 *
 * @throws NightjarError `STORE_CONFLICT` or `STORE_FAILED`
 */
export async function writeManifest(bucket: GuardedBucket, manifest: Placed): Promise<void> {
  await writeDocument(bucket, manifest.manifestKey, manifestText(manifest));
}

/**
 * Write a JSON document, once; the same again is no error.
 *
 * @throws NightjarError `STORE_CONFLICT` or `STORE_FAILED`
 */
export async function writeDocument(
  bucket: GuardedBucket,
  key: string,
  text: string,
): Promise<void> {
  const put = () =>
    failAsStore(`writing ${key}`, () =>
      bucket.put(key, text, { ...AS_JSON, onlyIf: { etagDoesNotMatch: "*" } }),
    );
  // R2 checks its locks before the condition: under a lock it refuses to write what is there already.
  const written = await put().catch((thrown: unknown) => {
    if (isLocked(thrown)) return null;
    throw thrown;
  });
  if (written !== null) return;
  if ((await readDocument(bucket, key, { expected: text })) !== text)
    throw new NightjarError("STORE_CONFLICT", `There is another document at ${key} already.`);
}

/**
 * Replace the manifest of a pinned copy: the holder of a pin may change, and nothing else does.
 *
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function replaceManifest(bucket: GuardedBucket, manifest: Placed): Promise<void> {
  await replaceDocument(bucket, manifest.manifestKey, manifestText(manifest));
}

/**
 * Write a JSON document; one that is there already is replaced.
 *
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function replaceDocument(
  bucket: GuardedBucket,
  key: string,
  text: string,
): Promise<void> {
  await failAs("STORE_FAILED", `writing ${key}`, () => bucket.put(key, text, AS_JSON));
}

/** Reasons to trust a document that the catalog does not know. */
interface Vouching {
  /** The text that it should have, as the caller knows it. */
  readonly expected?: string;
  /** True if a document without a MAC of this Nightjar is accepted as it is. */
  readonly acceptUnsigned?: boolean;
}

/**
 * Read a document's text; null if there is none. A document that the catalog does not know must have
 * the MAC that Nightjar writes beside it.
 *
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`; `OBJECT_CORRUPT` if it is not the text that
 *   was written; `OBJECT_UNSIGNED` if it cannot be determined whether Nightjar wrote it
 */
export async function readDocument(
  bucket: GuardedBucket,
  key: string,
  { expected, acceptUnsigned = false }: Vouching = {},
): Promise<string | null> {
  await bucket.settle(key);
  const found = await failAs("STORE_FAILED", `reading ${key}`, async () => {
    const object = await bucket.get(key);
    if (object !== null && object.size > LONGEST_DOCUMENT) {
      await object.body.cancel();
      throw new NightjarError("OBJECT_CORRUPT", `${key} has ${object.size} bytes: too many.`);
    }
    return object && { object, text: await object.text() };
  });
  if (found === null) return null;
  const { object, text } = found;
  const { version, size: bytes, customMetadata: note = {} } = object;
  const sha256 = sha256Of(text);
  // Documents of Nightjar 0.1 have no hash beside them.
  if (note["sha256"] !== undefined && note["sha256"] !== sha256)
    throw new NightjarError("OBJECT_CORRUPT", `${key} is not the text that was written to it.`);
  if ((await bucket.known(key)) !== undefined) return text;
  const origin = bucket.originOf(key, sha256, note);
  if (origin !== "ours" && !acceptUnsigned && text !== expected) throw unsigned(key, origin);
  await bucket.accept([{ key, version, sha256, bytes }]);
  return text;
}

/** Return the error for an object that has no MAC, or the MAC of another key. */
export function unsigned(key: string, origin: "unsigned" | "other"): NightjarError {
  return new NightjarError(
    "OBJECT_UNSIGNED",
    origin === "unsigned"
      ? `${key} is not signed, and the catalog does not know it: an older Nightjar wrote it, or somebody else.`
      : `${key} is signed with another SIGNING_KEY, or somebody else wrote it, and the catalog does not know it.`,
  );
}

/**
 * Read a document's text; null if there is none that is whole and Nightjar's.
 *
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function readWholeDocument(
  bucket: GuardedBucket,
  key: string,
  vouching: Vouching = {},
): Promise<string | null> {
  try {
    return await readDocument(bucket, key, vouching);
  } catch (thrown) {
    if (["OBJECT_CORRUPT", "OBJECT_UNSIGNED"].includes(asNightjarError(thrown).code)) return null;
    throw thrown;
  }
}

const AS_JSON = { httpMetadata: { contentType: "application/json" } } as const;

/** Return the SHA-256 of a text in UTF-8, in hexadecimal. */
export function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
