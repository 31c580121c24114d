import { and, desc, eq, sql } from "drizzle-orm";
import type { Comparison } from "../../plan/alerts/problems.ts";
import { type Catalog, query } from "../open.ts";
import { backups, IS_KEPT_PAST_AGE, IS_KNOWN_BAD, watches } from "../schema.ts";
import { isAmong } from "../among.ts";

export type Watch = typeof watches.$inferSelect;

/** A backup that a proof found bad, and when its newest proof was held (ms). */
export interface BadBackup {
  readonly id: string;
  readonly foundAt: number;
}

/** What is watched of the backups of all databases. */
export interface WatchedBackups {
  readonly watches: Map<string, Watch>;
  /** Backups that a proof found bad, by database, the newest first. */
  readonly bad: Map<string, BadBackup[]>;
  /** Number of backups that the policy keeps past their age, by database. */
  readonly pinned: Map<string, number>;
}

/** Read what is watched of some databases, in one round trip. @throws NightjarError `CATALOG_FAILED` */
export async function readWatched(
  catalog: Catalog,
  names: readonly string[],
): Promise<WatchedBackups> {
  const timeOf = (proof: typeof backups.verification | typeof backups.drill) =>
    sql`coalesce(json_extract(${proof}, '$.at'), '')`;
  const foundAt = sql<string>`max(${timeOf(backups.verification)}, ${timeOf(backups.drill)})`;
  const [known, bad, pinned] = await query("reading what is watched", () =>
    catalog.batch([
      catalog.select().from(watches).where(isAmong(watches.database, names)),
      catalog
        .select({ id: backups.id, database: backups.database, foundAt })
        .from(backups)
        .where(and(isAmong(backups.database, names), sql`(${IS_KNOWN_BAD})`))
        .orderBy(desc(backups.takenAt)),
      catalog
        .select({ database: backups.database, pinned: sql<number>`count(*)` })
        .from(backups)
        .where(
          and(
            isAmong(backups.database, names),
            IS_KEPT_PAST_AGE,
            // One that stands for later nights is meant to be kept.
            sql`NOT EXISTS (SELECT 1 FROM confirmations c WHERE c.backup_id = backups.id)`,
          ),
        )
        .groupBy(backups.database),
    ]),
  );
  const badOf = new Map<string, BadBackup[]>();
  for (const { database, id, foundAt: at } of bad)
    badOf.set(database, [...(badOf.get(database) ?? []), { id, foundAt: Date.parse(at) }]);
  return {
    watches: new Map(known.map((watch) => [watch.database, watch])),
    bad: badOf,
    pinned: new Map(pinned.map((row) => [row.database, row.pinned])),
  };
}

/** Read what was found out about each watched database, by its name. */
export function readWatches(catalog: Catalog): Promise<Map<string, Watch>> {
  return query("reading what was found out", async () => {
    const rows = await catalog.select().from(watches);
    return new Map(rows.map((watch) => [watch.database, watch]));
  });
}

/** Enter databases as watched, unless they are. */
export function enterWatches(
  catalog: Catalog,
  names: readonly string[],
  now: number,
): Promise<unknown> {
  return query("watching databases", () =>
    catalog.run(
      sql`INSERT INTO watches (database, first_seen_at) SELECT value, ${now} FROM json_each(${JSON.stringify(names)}) WHERE true ON CONFLICT DO NOTHING`,
    ),
  );
}

/** Record how a backup differs from the one before it; undefined if there is none to compare with. */
export function recordComparison(
  catalog: Catalog,
  database: string,
  comparedBackup: string,
  comparison: Comparison | undefined,
): Promise<unknown> {
  return query(`recording how ${database} changed`, () =>
    catalog
      .update(watches)
      .set({ comparedBackup, comparison: comparison ?? null })
      .where(eq(watches.database, database))
      .run(),
  );
}

/** Add up the bytes of the page logs of databases, and record them and how far the logs reach back. @returns bytes by database */
export function measureLogs(
  catalog: Catalog,
  names: readonly string[],
  now: number,
): Promise<Map<string, number>> {
  const sum = sql<number>`(SELECT coalesce(sum(s.bytes), 0) FROM segments s WHERE s.database = ${watches.database})`;
  const from = sql<number>`(SELECT min(s.at) FROM segments s WHERE s.database = ${watches.database} AND s.min_txid = 1)`;
  return query("adding up the page logs", async () => {
    const rows = await catalog
      .update(watches)
      .set({ logBytes: sum, logFrom: from, logMeasuredAt: now })
      .where(isAmong(watches.database, names))
      .returning({ database: watches.database, bytes: watches.logBytes });
    return new Map(rows.map(({ database, bytes }) => [database, bytes]));
  });
}

/** Return when the first database was watched, ms; null if none was. */
export function firstWatched(catalog: Catalog): Promise<number | null> {
  return query("reading when watching began", async () => {
    const row = await catalog
      .select({ at: sql<number | null>`min(${watches.firstSeenAt})` })
      .from(watches)
      .get();
    return row?.at ?? null;
  });
}
