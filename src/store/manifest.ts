import { NightjarError, orFail } from "../errors.ts";
import { isLocked, orRefused } from "./refusal.ts";

const JSON_TYPE = { contentType: "application/json" };

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
  const text = textOf(manifest);
  const put = () =>
    orRefused(`writing ${key}`, () =>
      bucket.put(key, text, { onlyIf: { etagDoesNotMatch: "*" }, httpMetadata: JSON_TYPE }),
    );
  // R2 looks at its locks before the condition: where one holds, it refuses what stands there already.
  const written = await put().catch((thrown: unknown) => {
    if (isLocked(thrown)) return null;
    throw thrown;
  });
  if (written !== null) return;
  if ((await readManifest(bucket, key)) !== text)
    throw new NightjarError("STORE_CONFLICT", `Another manifest stands at ${key} already.`);
}

/**
 * Write the manifest of a pinned copy over the one that stands there: who holds a pin may change, and
 * nothing else does.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function replaceManifest(bucket: R2Bucket, manifest: Placed): Promise<void> {
  const key = manifest.manifestKey;
  await orFail("STORE_FAILED", `writing ${key}`, () =>
    bucket.put(key, textOf(manifest), { httpMetadata: JSON_TYPE }),
  );
}

function textOf(manifest: Placed): string {
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
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
