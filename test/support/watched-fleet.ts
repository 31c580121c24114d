import { sql } from "drizzle-orm";
import type { Catalog } from "../../src/catalog/open.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import type { TableCount } from "../../src/format/dump/inspector.ts";
import { randomId, systemDeps } from "../../src/core/deps.ts";

/** A row of the catalog for a backup that was never made: what a look at the fleet reads, and no more. */
export function addBackup(
  catalog: Catalog,
  database: string,
  takenAt: number,
  {
    bytes = 1_000_000,
    tables = [{ name: "orders", rows: 1000 }],
    verification = "verified" as string | null,
    drill = "passed" as string | null,
    copy = null as object | null,
    pin = false,
  }: {
    bytes?: number;
    tables?: TableCount[];
    verification?: string | null;
    drill?: string | null;
    copy?: object | null;
    pin?: boolean;
  } = {},
): Promise<unknown> {
  const id = randomId(systemDeps);
  const iso = new Date(takenAt).toISOString();
  const manifest = {
    ...{ format: 1, id, database, tier: "daily", kind: "snapshot", takenAt: iso, finishedAt: iso },
    ...{ raw: { bytes, sha256: "" }, stored: { bytes: bytes / 3, sha256: "" }, tables },
    ...{ key: `daily/${database}/${id}.db.zst`, manifestKey: `daily/${database}/${id}.json` },
    ...{ warnings: [], labels: {}, name: null, ...(pin && { pin: { by: "policy" } }) },
  } as unknown as Manifest;
  const proof = (outcome: string | null) =>
    outcome === null
      ? null
      : JSON.stringify({ outcome, at: iso, proofKey: "", problem: null, recoveryMs: 1000 });
  return catalog.run(sql`INSERT INTO backups (id, run_id, database, tier, taken_at, manifest, verification, drill, copy)
    VALUES (${id}, ${`run-${id}`}, ${database}, 'daily', ${takenAt}, ${JSON.stringify(manifest)}, ${proof(verification)}, ${proof(drill)}, ${copy && JSON.stringify(copy)})`);
}

/** A run that has ended. */
export function addRun(
  catalog: Catalog,
  database: string,
  at: number,
  state: "done" | "failed" = "done",
): Promise<unknown> {
  const error =
    state === "failed"
      ? JSON.stringify({ code: "SOURCE_UNREACHABLE", message: "No answer.", hint: "Look at it." })
      : null;
  return catalog.run(sql`INSERT INTO runs (id, database, trigger, tier, labels, state, error, created_at, updated_at, finished_at)
    VALUES (${`${database}-${randomId(systemDeps)}`}, ${database}, 'cron', 'daily', '{}', ${state}, ${error}, ${at}, ${at}, ${at})`);
}

/** The open lineage of a page log, with one segment. */
export async function addLog(
  catalog: Catalog,
  database: string,
  at: number,
  bytes = 1000,
): Promise<void> {
  const id = `lineage-${database}`;
  await catalog.run(sql`INSERT INTO lineages (id, database, why, page_size, page_count, cursor, txid, began_at, committed_at, checked_at)
    VALUES (${id}, ${database}, 'first', 4096, 10, '{}', 1, ${at}, ${at}, ${at})`);
  await catalog.run(sql`INSERT INTO segments (key, lineage, database, level, min_txid, max_txid, at, page_count, pages, bytes, created_at)
    VALUES (${`log/${database}`}, ${id}, ${database}, 9, 1, 1, ${at}, 10, 10, ${bytes}, ${at})`);
}
