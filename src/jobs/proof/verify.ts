import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import { parseManifest } from "../../model/parse-manifest.ts";
import { manifestText, readDocument } from "../../store/document.ts";
import type { GuardedBucket } from "../../store/guarded-bucket.ts";
import { placeOf } from "../../store/keys.ts";
import { DAMAGE, Findings } from "./findings.ts";
import { verifyDump } from "./verify-dump.ts";
import { verifyEncrypted } from "./verify-encrypted.ts";
import { verifySnapshot } from "./verify-snapshot.ts";

/**
 * Read a backup back from the bucket and compare every byte with what was recorded when it was made:
 * the manifest with the catalog's, the stored bytes and their content by length and hash, the structure
 * of the content, the rows of each table, and the schema. An encrypted backup is compared as far as
 * that is possible without a key.
 *
 * @throws NightjarError `STORE_FAILED` if the bucket cannot be read: nothing is known then
 */
export async function verifyBackup(context: Context, manifest: Manifest): Promise<Findings> {
  const findings = new Findings(DAMAGE);
  await findings.check("manifest", () => sameManifest(context.bucket, manifest));
  const { encryption } = manifest;
  if (encryption !== undefined)
    await verifyEncrypted(context.bucket, manifest, encryption, findings);
  else if (manifest.kind === "dump") await verifyDump(context.bucket, manifest, findings);
  else await verifySnapshot(context.bucket, manifest, findings);
  return findings;
}

async function sameManifest(bucket: GuardedBucket, manifest: Manifest): Promise<string> {
  const { manifestKey } = manifest;
  const expected = manifestText(manifest);
  const text = await readDocument(bucket, manifestKey, { expected });
  if (text === null)
    throw new NightjarError("OBJECT_MISSING", `${manifestKey} is not in the bucket.`);
  if (text === expected) return "the manifest in the bucket is the one that the catalog has";
  if (manifest.pin !== undefined) {
    // A Nightjar that died before it updated the catalog has changed the pin.
    const { pin = manifest.pin } = parseManifest(text, placeOf(manifestKey));
    const pinned: Manifest = { ...manifest, pin };
    if (manifestText(pinned) === text)
      return "the manifest in the bucket is the one that the catalog has, but for who pinned it";
  }
  const line = expected.split("\n").findIndex((known, at) => known !== text.split("\n")[at]);
  throw new NightjarError(
    "OBJECT_CORRUPT",
    `${manifestKey} is not the manifest that the catalog has, from line ${line + 1} on.`,
  );
}
