import { gte, sql } from "drizzle-orm";
import type { Tier } from "../plan/tier.ts";
import { type Catalog, query } from "./open.ts";
import type { RunState } from "../model/run-state.ts";
import { backups, runs, segments } from "./schema.ts";

/** What the backups of a database and a tier are, and what was written of them since some time. */
export interface TierUsage {
  readonly database: string;
  readonly tier: Tier;
  readonly backups: number;
  readonly storedBytes: number;
  /** Backups that have a copy under `pinned/`, and its bytes. */
  readonly pinned: number;
  readonly pinnedBytes: number;
  readonly recent: number;
  readonly recentRawBytes: number;
  readonly recentStoredBytes: number;
  /** Rows that were read for recent dumps: a server that bills by rows bills these. */
  readonly recentDumpRows: number;
}

/** What was added to the page log of a database since some time. */
export interface LogUsage {
  readonly database: string;
  readonly segments: number;
  readonly bytes: number;
}

/** How many runs of a database are in a state. */
export interface RunUsage {
  readonly database: string;
  readonly state: RunState;
  readonly runs: number;
  readonly recent: number;
}

/** What is stored, and what was done. */
export interface Usage {
  readonly tiers: readonly TierUsage[];
  readonly logs: readonly LogUsage[];
  readonly runs: readonly RunUsage[];
}

/**
 * Add up what is stored of every database, and what was done since `since` (ms).
 *
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function readUsage(catalog: Catalog, since: number): Promise<Usage> {
  const stored = sql`json_extract(${backups.manifest}, '$.stored.bytes')`;
  const isPinned = sql`json_extract(${backups.manifest}, '$.pin.by') IS NOT NULL`;
  const isRecent = sql`${backups.takenAt} >= ${since}`;
  const sum = (value: ReturnType<typeof sql>, condition: ReturnType<typeof sql>) =>
    sql<number>`coalesce(sum(CASE WHEN ${condition} THEN ${value} END), 0)`;
  const one = sql`1`;
  const [tiers, logs, ran] = await query("adding up what is stored", () =>
    catalog.batch([
      catalog
        .select({
          database: backups.database,
          tier: backups.tier,
          backups: sql<number>`count(*)`,
          storedBytes: sql<number>`coalesce(sum(${stored}), 0)`,
          pinned: sum(one, isPinned),
          pinnedBytes: sum(stored, isPinned),
          recent: sum(one, isRecent),
          recentRawBytes: sum(sql`json_extract(${backups.manifest}, '$.raw.bytes')`, isRecent),
          recentStoredBytes: sum(stored, isRecent),
          recentDumpRows: sum(
            sql`json_extract(${backups.manifest}, '$.rows')`,
            sql`${isRecent} AND json_extract(${backups.manifest}, '$.kind') = 'dump'`,
          ),
        })
        .from(backups)
        .groupBy(backups.database, backups.tier),
      catalog
        .select({
          database: segments.database,
          segments: sql<number>`count(*)`,
          bytes: sql<number>`coalesce(sum(${segments.bytes}), 0)`,
        })
        .from(segments)
        .where(gte(segments.createdAt, since))
        .groupBy(segments.database),
      catalog
        .select({
          database: runs.database,
          state: runs.state,
          runs: sql<number>`count(*)`,
          recent: sum(one, sql`${runs.createdAt} >= ${since}`),
        })
        .from(runs)
        .groupBy(runs.database, runs.state),
    ]),
  );
  return { tiers, logs, runs: ran };
}
