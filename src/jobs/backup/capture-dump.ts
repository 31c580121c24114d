import type { Run } from "../../catalog/runs.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { zstdCompress } from "../../format/bytes/codec.ts";
import { type DumpFacts, DumpInspector } from "../../format/dump/inspector.ts";
import { Meter, tap } from "../../format/bytes/hash.ts";
import type { Manifest } from "../../model/manifest.ts";
import { describeSource } from "../../source/describe.ts";
import { readDump } from "../../source/dump.ts";
import type { Source } from "../../libsql/server.ts";
import { BackupDraft } from "./backup-draft.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";

/**
 * Pull the server's dump in one pass and flat memory: source → inspect and hash → zstd → age, where
 * configured → hash → R2.
 */
export function captureDump(
  context: Context,
  run: Run,
  database: DatabaseConfig,
  source: Source,
): Promise<Manifest> {
  return inTurn(context, COSTS.captureDump, () => captureInTurn(context, run, database, source));
}

async function captureInTurn(
  context: Context,
  run: Run,
  database: DatabaseConfig,
  source: Source,
): Promise<Manifest> {
  const { deps } = context;
  const draft = new BackupDraft(context, run, database, "dump", deps.now());
  const described = describeSource(source, deps);
  const raw = new Meter();
  const stored = new Meter();
  const inspector = new DumpInspector();
  let facts: DumpFacts | undefined;
  const progress = draft.progress(raw, stored);

  async function* wholeDump(): AsyncIterable<Uint8Array> {
    for await (const chunk of readDump(source, deps)) {
      inspector.push(chunk);
      raw.update(chunk);
      yield chunk;
      await progress();
    }
    facts = inspector.end();
    await progress("storing");
  }

  const sealed = draft.sealed(zstdCompress(wholeDump()));
  await draft.write(tap(sealed, (chunk) => stored.update(chunk)));
  const { version, userVersion, unknown } = await described;
  const { tables, schemaHash, migration, warnings } = facts!;
  return draft.manifest({
    raw,
    stored,
    version,
    unknown,
    snapshot: null,
    // The migration is content, which an encrypted backup must not reveal.
    schema: { hash: schemaHash, userVersion, migration: draft.encrypted ? null : migration },
    tables,
    warnings,
  });
}
