import { NightjarError, orFail } from "../errors.ts";

/** What the manifest module needs of a manifest: where it belongs. */
interface Placed {
  readonly manifestKey: string;
}

/**
 * Write a manifest, once: the act that makes a backup exist. Writing the same again is no error, so
 * that a step may be retried; another manifest under the same key is never replaced.
 *
 * @throws NightjarError `STORE_CONFLICT` or `STORE_FAILED`
 */
export async function writeManifest(bucket: R2Bucket, manifest: Placed): Promise<void> {
  const key = manifest.manifestKey;
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  const written = await orFail("STORE_FAILED", `writing ${key}`, () =>
    bucket.put(key, text, {
      onlyIf: { etagDoesNotMatch: "*" },
      httpMetadata: { contentType: "application/json" },
    }),
  );
  if (written !== null) return;
  if ((await readManifest(bucket, key)) !== text)
    throw new NightjarError("STORE_CONFLICT", `Another manifest stands at ${key} already.`);
}

/**
 * The manifest's text, or null when there is none.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function readManifest(bucket: R2Bucket, key: string): Promise<string | null> {
  return orFail("STORE_FAILED", `reading ${key}`, async () => {
    const object = await bucket.get(key);
    return object === null ? null : object.text();
  });
}
