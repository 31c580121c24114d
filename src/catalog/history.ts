import { desc, eq, sql } from "drizzle-orm";
import { type Catalog, query } from "./open.ts";
import { backups } from "./schema.ts";

/** A backup as a point of a chart. */
export interface HistoryPoint {
  /** ms */
  readonly takenAt: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** From the capture's begin to the manifest, ms. */
  readonly durationMs: number;
}

/** Return the newest backups of a database as points, the oldest first. */
export function historyOf(
  catalog: Catalog,
  database: string,
  limit: number,
): Promise<HistoryPoint[]> {
  const of = (path: string) => sql<number>`json_extract(${backups.manifest}, ${path})`;
  return query(`reading the history of ${database}`, async () => {
    const rows = await catalog
      .select({
        takenAt: backups.takenAt,
        rawBytes: of("$.raw.bytes"),
        storedBytes: of("$.stored.bytes"),
        finishedAt: sql<string>`json_extract(${backups.manifest}, '$.finishedAt')`,
      })
      .from(backups)
      .where(eq(backups.database, database))
      .orderBy(desc(backups.takenAt), desc(backups.id))
      .limit(limit);
    return rows
      .map(({ finishedAt, ...row }) => ({
        ...row,
        durationMs: Math.max(0, Date.parse(finishedAt) - row.takenAt),
      }))
      .toReversed();
  });
}
