import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { zstdDecompress } from "../../../src/format/bytes/codec.ts";
import { deriveBackup } from "../../../src/read/derive.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";
import { chanceOf } from "../../support/chance.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

const TRIALS = inject("trials") ?? 8;
const { BUCKET } = env;
const chance = chanceOf(8);

/** Make text of random length that hardly compresses. */
function noise(): string {
  const length = 1 + chance.below(chance.of([2000, 300_000, 1_500_000]));
  return Buffer.from(Uint8Array.from({ length }, () => 33 + chance.below(94))).toString("latin1");
}

describe("a database of text that hardly compresses", () => {
  it(`becomes a backup, whatever its length: ${TRIALS} dumps`, { timeout: 3_600_000 }, async () => {
    const database = await PageDatabase.create("CREATE TABLE t(a)");
    const context = testContext({ noise: { ...database.config, capture: "dump" } });
    for (let trial = 0; trial < TRIALS; trial++) {
      await database.client.batch([
        "DELETE FROM t",
        { sql: "INSERT INTO t VALUES(?)", args: [noise()] },
      ]);
      const run = await backUp(context, manualRun("noise"));
      expect(run.error).toBeNull();
      expect(run.state).toBe("done");
      const { manifest } = (await newestBackup(context.catalog, "noise"))!;
      const stored = await BUCKET.get(manifest.key);
      const text = await gather(zstdDecompress(stored!.body));
      expect(text.length).toBe(manifest.raw.bytes);
    }
  });

  it(`is downloaded whole as sql.zst: ${TRIALS} links`, { timeout: 3_600_000 }, async () => {
    let database = await PageDatabase.create("CREATE TABLE t(a)");
    for (let trial = 0; trial < TRIALS; trial++) {
      // With one database, its page log would grow with each trial.
      if (trial % 10 === 0) database = await PageDatabase.create("CREATE TABLE t(a)");
      const name = `noise-${Math.floor(trial / 10)}`;
      const context = testContext({ [name]: { ...database.config } });
      await database.client.batch([
        "DELETE FROM t",
        { sql: "INSERT INTO t VALUES(?)", args: [noise()] },
      ]);
      expect((await backUp(context, manualRun(name))).state).toBe("done");
      const { manifest } = (await newestBackup(context.catalog, name))!;
      const plain = await gather((await deriveBackup(context, manifest, "sql", [])).bytes);
      const coded = await gather((await deriveBackup(context, manifest, "sql.zst", [])).bytes);
      const text = await gather(zstdDecompress(new Blob([coded]).stream()));
      expect(Buffer.compare(text, plain)).toBe(0);
    }
  });
});
