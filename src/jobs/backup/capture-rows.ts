import type { Run } from "../../catalog/runs.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { zstdCompress } from "../../format/bytes/codec.ts";
import { type DumpFacts, DumpInspector } from "../../format/dump/inspector.ts";
import { Meter, tap } from "../../format/bytes/hash.ts";
import type { Manifest, Method } from "../../model/manifest.ts";
import { describeServer } from "../../source/describe.ts";
import { findTransactions } from "../../source/rows/transaction.ts";
import type { Source } from "../../libsql/server.ts";
import { BackupDraft } from "./backup-draft.ts";
import { beginDump } from "./rows/begin-dump.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";

/**
 * Read every row in one transaction, and store SQL of Nightjar's own form, in one pass and flat memory:
 * source → SQL → inspect and hash → zstd → age, where configured → hash → R2.
 */
export function captureRows(
  context: Context,
  run: Run,
  database: DatabaseConfig,
  source: Source,
  method: Method,
): Promise<Manifest> {
  return inTurn(context, COSTS.captureRows, () =>
    captureInTurn(context, run, database, source, method),
  );
}

async function captureInTurn(
  context: Context,
  run: Run,
  database: DatabaseConfig,
  source: Source,
  method: Method,
): Promise<Manifest> {
  const { deps } = context;
  const draft = new BackupDraft(context, run, database, "dump", deps.now());
  const described = describeServer(source, deps);
  const { text, userVersion, events } = await beginDump(await findTransactions(source, deps));
  const raw = new Meter();
  const stored = new Meter();
  // Nothing that other readers of dumps would refuse may be written here.
  const inspector = new DumpInspector();
  let facts: DumpFacts | undefined;
  const progress = draft.progress(raw, stored);

  async function* wholeText(): AsyncIterable<Uint8Array> {
    for await (const chunk of text.write(events)) {
      inspector.push(chunk);
      raw.update(chunk);
      yield chunk;
      await progress();
    }
    facts = inspector.end();
    await progress("storing");
  }

  const sealed = draft.sealed(zstdCompress(wholeText()));
  await draft.write(tap(sealed, (chunk) => stored.update(chunk)));
  const { version, unknown } = await described;
  const { tables, schemaHash, migration, warnings } = facts!;
  return draft.manifest({
    raw,
    stored,
    version,
    unknown,
    snapshot: null,
    method,
    // The migration is content, which an encrypted backup must not reveal.
    schema: { hash: schemaHash, userVersion, migration: draft.encrypted ? null : migration },
    tables,
    warnings: [...text.warnings(), ...warnings],
  });
}
