import { sql } from "drizzle-orm";
import type { Tier } from "../../plan/tier.ts";
import { isAmong } from "../among.ts";
import { type Catalog, query } from "../open.ts";
import { confirmations } from "../schema.ts";

/** A backup that was found to be the present state of its database. */
export interface Confirmed {
  readonly backupId: string;
  readonly database: string;
  /** The tier that the backup would have had that was not made. */
  readonly tier: Tier;
  /** The scheduled moment for which it stands, ms. */
  readonly scheduledFor: number;
  /** Time before which the server was asked, ms. */
  readonly confirmedAt: number;
}

/** Record that backups stand for scheduled moments. Recording the same again changes nothing. */
export function recordConfirmed(
  catalog: Catalog,
  confirmed: readonly Confirmed[],
): Promise<unknown> {
  return query(`confirming ${confirmed.length} backups`, () =>
    catalog.run(sql`
      INSERT INTO confirmations (backup_id, tier, database, first_for, last_for, times, confirmed_at)
      SELECT value ->> 'backupId', value ->> 'tier', value ->> 'database', value ->> 'scheduledFor',
        value ->> 'scheduledFor', 1, value ->> 'confirmedAt'
      FROM json_each(${JSON.stringify(confirmed)}) WHERE true
      ON CONFLICT (backup_id, tier) DO UPDATE SET last_for = excluded.last_for, times = times + 1,
        confirmed_at = excluded.confirmed_at
      WHERE excluded.last_for > last_for`),
  );
}

/** How often a backup was confirmed, and when it last was. */
export interface ConfirmedBackup {
  readonly backupId: string;
  /** Scheduled moments for which it stands. */
  readonly times: number;
  /** Time until which nothing was committed after it, ms. */
  readonly confirmedAt: number;
}

const confirmed = {
  backupId: confirmations.backupId,
  times: sql<number>`sum(times)`,
  confirmedAt: sql<number>`max(confirmed_at)`,
};

/** Make the query of what the backups of some databases stand for. */
export function confirmedOfDatabases(catalog: Catalog, names: readonly string[]) {
  return catalog
    .select(confirmed)
    .from(confirmations)
    .where(isAmong(confirmations.database, names))
    .groupBy(confirmations.backupId);
}

/** Read what some backups stand for, by their ids. */
export function confirmedOf(
  catalog: Catalog,
  ids: readonly string[],
): Promise<Map<string, ConfirmedBackup>> {
  return query("reading what is unchanged", async () => {
    const rows = await catalog
      .select(confirmed)
      .from(confirmations)
      .where(isAmong(confirmations.backupId, ids))
      .groupBy(confirmations.backupId);
    return new Map(rows.map((row) => [row.backupId, row]));
  });
}
