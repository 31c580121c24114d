import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { zstdDecompress } from "../../format/bytes/codec.ts";
import { type DumpFacts, DumpInspector } from "../../format/dump/inspector.ts";
import { OWN_TABLE } from "../../format/dump/statement.ts";
import { Meter, tap } from "../../format/bytes/hash.ts";
import type { Manifest } from "../../model/manifest.ts";
import { PART_BYTES } from "../../store/multipart.ts";
import { readInSpans } from "../../store/range-reader.ts";
import type { Findings } from "./findings.ts";
import { sameBytes, sameRows, sameSchema } from "./verify-facts.ts";

/**
 * Read a dump back: every byte, every statement, every table. A dump of an older Nightjar may hold what
 * would be refused today: its bytes are compared with those captured, but its rows are not counted.
 *
 * @throws NightjarError `STORE_FAILED`
 */
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
  let unsafe: string | undefined;
  const inspect = (action: () => void) => {
    try {
      if (unsafe === undefined) action();
    } catch (thrown) {
      if (asNightjarError(thrown).code !== "DUMP_UNSAFE") throw thrown;
      unsafe = asNightjarError(thrown).message;
    }
  };
  await findings.check("bytes", async () => {
    const bytes = readInSpans(bucket, key, manifest.stored.bytes, PART_BYTES);
    const text = zstdDecompress(tap(bytes, (chunk) => stored.update(chunk)));
    try {
      for await (const chunk of text) {
        raw.update(chunk);
        inspect(() => inspector.push(chunk));
      }
    } catch (thrown) {
      if (thrown instanceof NightjarError) throw thrown;
      throw new NightjarError(
        "OBJECT_CORRUPT",
        `${key} cannot be decompressed after byte ${raw.bytes} of its SQL.`,
        { cause: thrown },
      );
    }
    inspect(() => (facts = inspector.end()));
    return sameBytes(manifest, stored, raw);
  });
  // Older manifests list SQLite's own tables, which are no longer counted.
  const tables = manifest.tables.filter(({ name }) => !OWN_TABLE.test(name));
  await findings.check("rows", async () =>
    facts === undefined
      ? `not counted: ${unsafe}`
      : sameRows({ ...manifest, tables }, facts.tables),
  );
  await findings.check("schema", async () =>
    facts === undefined ? `not compared: ${unsafe}` : sameSchema(manifest, facts.schemaHash),
  );
}
