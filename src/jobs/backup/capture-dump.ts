import type { Run } from "../../catalog/runs.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import type { Manifest } from "../../model/manifest.ts";
import { describeSource } from "../../source/describe.ts";
import { readDump } from "../../source/dump.ts";
import type { Source } from "../../libsql/server.ts";
import { BackupDraft } from "./backup-draft.ts";
import { storeText } from "./store-text.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";

/** Pull the server's dump in one pass and flat memory. */
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
  const { facts, ...measured } = await storeText(draft, readDump(source, deps));
  const { version, userVersion, unknown } = await described;
  const { tables, schemaHash, migration, warnings } = facts;
  return draft.manifest({
    ...measured,
    version,
    unknown,
    snapshot: null,
    // The migration is content, which an encrypted backup must not reveal.
    schema: { hash: schemaHash, userVersion, migration: draft.encrypted ? null : migration },
    tables,
    warnings,
  });
}
