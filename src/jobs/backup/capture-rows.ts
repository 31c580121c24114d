import type { Run } from "../../catalog/runs.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import type { Manifest, Method } from "../../model/manifest.ts";
import { describeServer } from "../../source/describe.ts";
import { findTransactions } from "../../source/rows/transaction.ts";
import type { Source } from "../../libsql/server.ts";
import { BackupDraft } from "./backup-draft.ts";
import { beginDump } from "./rows/begin-dump.ts";
import { storeText } from "./store-text.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";

/**
 * Read every row in one transaction, and store SQL of Nightjar's own form, in one pass and flat memory.
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
  // The inspector sees to it that nothing is written that other readers of dumps would refuse.
  const { facts, ...measured } = await storeText(draft, text.write(events));
  const { version, unknown } = await described;
  const { tables, schemaHash, migration, warnings } = facts;
  return draft.manifest({
    ...measured,
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
