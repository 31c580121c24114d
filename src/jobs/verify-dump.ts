import { NightjarError } from "../errors.ts";
import { zstdDecompress } from "../format/codec.ts";
import { type DumpFacts, DumpInspector } from "../format/dump-inspector.ts";
import { Meter, tap } from "../format/hash.ts";
import type { Manifest } from "../manifest.ts";
import { PART_BYTES } from "../store/multipart.ts";
import { readInSpans } from "../store/range-reader.ts";
import type { Findings } from "./findings.ts";
import { sameBytes, sameRows, sameSchema } from "./verify-facts.ts";

/** Read a dump back: every byte, every statement, every table. @throws NightjarError `STORE_FAILED` */
export async function verifyDump(
  bucket: R2Bucket,
  manifest: Manifest,
  findings: Findings,
): Promise<void> {
  const { key } = manifest;
  const stored = new Meter();
  const raw = new Meter();
  const inspector = new DumpInspector();
  let facts: DumpFacts | undefined;
  await findings.check("bytes", async () => {
    const bytes = readInSpans(bucket, key, manifest.stored.bytes, PART_BYTES);
    const text = zstdDecompress(tap(bytes, (chunk) => stored.update(chunk)));
    try {
      for await (const chunk of text) {
        raw.update(chunk);
        inspector.push(chunk);
      }
    } catch (thrown) {
      if (thrown instanceof NightjarError) throw thrown;
      throw new NightjarError(
        "OBJECT_CORRUPT",
        `${key} cannot be decompressed behind byte ${raw.bytes} of its SQL.`,
        { cause: thrown },
      );
    }
    facts = inspector.end();
    return sameBytes(manifest, stored, raw);
  });
  await findings.check("rows", async () => sameRows(manifest, facts!.tables));
  await findings.check("schema", async () => sameSchema(manifest, facts!.schemaHash));
}
