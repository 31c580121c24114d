import { eq, getTableColumns } from "drizzle-orm";
import type { Manifest } from "../model/manifest.ts";
import type { Act, ProofSummary } from "../model/proof.ts";
import type { Lineage, Segment } from "./lineages.ts";
import { type Catalog, query } from "./open.ts";
import type { Run } from "./runs.ts";
import { backups, lineages, runs, segments } from "./schema.ts";

/** Segments in one query; D1 takes 100 parameters. */
const SEGMENTS_A_QUERY = Math.floor(100 / Object.keys(getTableColumns(segments)).length);
const QUERIES_A_BATCH = 40;

/**
 * Enter a backup that the bucket holds, and the run that made it. If the catalog has the backup
 * already, a pinned copy replaces one that is not pinned; otherwise the catalog's row is not changed.
 *
 * @returns true if the catalog did not have it
 * @throws NightjarError `CATALOG_FAILED`
 */
export function enterRecovered(
  catalog: Catalog,
  manifest: Manifest,
  proofs: Partial<Record<Act, ProofSummary>>,
  run: Run,
): Promise<boolean> {
  const { id, runId, database, tier } = manifest;
  const takenAt = Date.parse(manifest.takenAt);
  const found = { verification: proofs.verify ?? null, drill: proofs.drill ?? null };
  return query(`entering backup ${id}`, async () => {
    const known = await catalog.select().from(backups).where(eq(backups.id, id)).get();
    if (known === undefined) {
      await catalog.batch([
        catalog.insert(backups).values({ id, runId, database, tier, takenAt, manifest, ...found }),
        catalog.insert(runs).values(run).onConflictDoNothing(),
      ]);
      return true;
    }
    if (manifest.pin !== undefined && known.manifest.pin === undefined)
      await catalog
        .update(backups)
        .set({
          manifest,
          verification: newer(known.verification, found.verification),
          drill: newer(known.drill, found.drill),
        })
        .where(eq(backups.id, id))
        .run();
    return false;
  });
}

function newer(one: ProofSummary | null, other: ProofSummary | null): ProofSummary | null {
  if (one === null || other === null) return one ?? other;
  return one.at >= other.at ? one : other;
}

/**
 * Enter a lineage of a page log and its segments, unless the catalog has it.
 *
 * @returns true if the catalog did not have it
 * @throws NightjarError `CATALOG_FAILED`
 */
export function enterRecoveredLog(
  catalog: Catalog,
  lineage: Lineage,
  rows: readonly Segment[],
): Promise<boolean> {
  return query(`entering the log ${lineage.id}`, async () => {
    const { id } = lineage;
    const known = await catalog.select().from(lineages).where(eq(lineages.id, id)).get();
    if (known !== undefined) return false;
    const inserts = [];
    for (let at = 0; at < rows.length; at += SEGMENTS_A_QUERY)
      inserts.push(
        catalog
          .insert(segments)
          .values(rows.slice(at, at + SEGMENTS_A_QUERY))
          .onConflictDoNothing(),
      );
    for (let at = 0; at < inserts.length; at += QUERIES_A_BATCH) {
      const [first, ...rest] = inserts.slice(at, at + QUERIES_A_BATCH);
      await catalog.batch([first!, ...rest]);
    }
    // Last: without this row the segments belong to no lineage, and the next rebuild enters them again.
    await catalog.insert(lineages).values(lineage).run();
    return true;
  });
}
