import { NightjarError } from "../../errors/errors.ts";
import { EnvelopeInspector } from "../../format/age/envelope.ts";
import { Meter } from "../../format/bytes/hash.ts";
import type { Encryption, Manifest } from "../../model/manifest.ts";
import { PART_BYTES } from "../../store/multipart.ts";
import { readInSpans } from "../../store/range-reader.ts";
import type { Findings } from "./findings.ts";
import { sameStored } from "./verify-facts.ts";

/**
 * Read an encrypted backup back, as far as that is possible without a key: every byte by the hash of
 * all, and the form of the age file.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function verifyEncrypted(
  bucket: R2Bucket,
  manifest: Manifest,
  { recipients, content }: Encryption,
  findings: Findings,
): Promise<void> {
  const { key } = manifest;
  const inspector = new EnvelopeInspector();
  await findings.check("bytes", async () => {
    const stored = new Meter();
    for await (const chunk of readInSpans(bucket, key, manifest.stored.bytes, PART_BYTES)) {
      stored.update(chunk);
      inspector.push(chunk);
    }
    return sameStored(manifest, stored);
  });
  await findings.check("envelope", async () => {
    const { stanzas, contentBytes } = inspector.end();
    if (stanzas.length !== recipients.length || contentBytes !== content.bytes)
      throw new NightjarError(
        "OBJECT_CORRUPT",
        `${key} is encrypted to ${stanzas.length} recipients and holds ${contentBytes} bytes; the manifest says ${recipients.length} and ${content.bytes}.`,
      );
    return `an age file for ${stanzas.length} recipients, which holds ${contentBytes} bytes; what they are, only an identity can tell`;
  });
}
