import { createHash } from "node:crypto";
import { asNightjarError, NightjarError, orFail } from "../errors.ts";
import { isLocked, orRefused } from "./refusal.ts";

/** No document of ours is longer: a manifest of 100,000 tables takes some 10 MB; bytes. */
export const LONGEST_DOCUMENT = 24 * 1024 * 1024;

/** What the manifest module needs of a manifest: where it belongs. */
interface Placed {
  readonly manifestKey: string;
}

/** A manifest as it is written. */
export function manifestText(manifest: Placed): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

/**
 * Write a manifest, once: the act that makes a backup exist. Writing the same again is no error, so
 * that a step may be retried; another manifest under the same key is never replaced.
 *
 * @throws NightjarError `STORE_CONFLICT` or `STORE_FAILED`
 */
export async function writeManifest(bucket: R2Bucket, manifest: Placed): Promise<void> {
  await writeDocument(bucket, manifest.manifestKey, manifestText(manifest));
}

/**
 * Write a JSON document, once; the same again is no error.
 *
 * @throws NightjarError `STORE_CONFLICT` or `STORE_FAILED`
 */
export async function writeDocument(bucket: R2Bucket, key: string, text: string): Promise<void> {
  const put = () =>
    orRefused(`writing ${key}`, () =>
      bucket.put(key, text, { onlyIf: { etagDoesNotMatch: "*" }, ...metadataOf(text) }),
    );
  // R2 looks at its locks before the condition: where one holds, it refuses what stands there already.
  const written = await put().catch((thrown: unknown) => {
    if (isLocked(thrown)) return null;
    throw thrown;
  });
  if (written !== null) return;
  if ((await readDocument(bucket, key)) !== text)
    throw new NightjarError("STORE_CONFLICT", `Another document stands at ${key} already.`);
}

/**
 * Write the manifest of a pinned copy over the one that stands there: who holds a pin may change, and
 * nothing else does.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function replaceManifest(bucket: R2Bucket, manifest: Placed): Promise<void> {
  const key = manifest.manifestKey;
  const text = manifestText(manifest);
  await orFail("STORE_FAILED", `writing ${key}`, () => bucket.put(key, text, metadataOf(text)));
}

/**
 * A document's text, or null when there is none.
 *
 * @throws NightjarError `STORE_FAILED`; `OBJECT_CORRUPT` when it is not the text that was written
 */
export async function readDocument(bucket: R2Bucket, key: string): Promise<string | null> {
  const found = await orFail("STORE_FAILED", `reading ${key}`, async () => {
    const object = await bucket.get(key);
    if (object !== null && object.size > LONGEST_DOCUMENT) {
      await object.body.cancel();
      throw new NightjarError("OBJECT_CORRUPT", `${key} has ${object.size} bytes: too many.`);
    }
    return object && { text: await object.text(), sha256: object.customMetadata?.["sha256"] };
  });
  if (found === null) return null;
  // Documents of Nightjar 0.1 have no hash beside them.
  if (found.sha256 !== undefined && found.sha256 !== sha256Of(found.text))
    throw new NightjarError("OBJECT_CORRUPT", `${key} is not the text that was written to it.`);
  return found.text;
}

/**
 * A document's text, or null when there is none that is whole.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function readWholeDocument(bucket: R2Bucket, key: string): Promise<string | null> {
  try {
    return await readDocument(bucket, key);
  } catch (thrown) {
    if (asNightjarError(thrown).code === "OBJECT_CORRUPT") return null;
    throw thrown;
  }
}

function metadataOf(text: string) {
  return {
    httpMetadata: { contentType: "application/json" },
    customMetadata: { sha256: sha256Of(text) },
  };
}

/** The SHA-256 of a text in UTF-8, in hexadecimal. */
export function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
