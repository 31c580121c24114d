import { and, isNull, sql } from "drizzle-orm";
import type { PageCursor } from "../../model/manifest.ts";
import { isScheduledTier, TIERS } from "../../plan/tier.ts";
import type { Lineage } from "../lineages.ts";
import { ANY, isAmong, isNewestOfEach } from "../among.ts";
import { type Catalog, query } from "../open.ts";
import type { Run } from "../runs.ts";
import { backups, confirmations, IS_VERIFIED, lineages, runs } from "../schema.ts";

/** The newest backup of a database, as far as it matters for whether another one is needed. */
export interface NewestBackup {
  readonly id: string;
  /** True if it was read back and found good, and no drill found it bad. */
  readonly verified: boolean;
  /** ms */
  readonly takenAt: number;
  readonly url: string;
  readonly namespace: string | null;
  /** The place in the source's history after it, if it was read whole; and its place in the page log. */
  readonly cursor: PageCursor | null;
  readonly log: { readonly lineage: string; readonly txid: number } | null;
}

/** What is known of a database that is due. */
export interface DueFacts {
  /** Runs that have not ended. */
  readonly active: readonly Run[];
  /** The latest scheduled moment for which there is a backup, ms. */
  readonly scheduledFor: number | undefined;
  readonly newest: NewestBackup | undefined;
  /** The open lineage of its page log. */
  readonly lineage: Lineage | undefined;
}

/** Read what is known of databases that are due, in one round trip. @throws NightjarError `CATALOG_FAILED` */
export async function readDue(
  catalog: Catalog,
  names: readonly string[],
): Promise<Map<string, DueFacts>> {
  const { id, database, manifest } = backups;
  // A column of a batch is known by its text, so that the path must be in it.
  const fact = <T>(path: string) => sql<T>`json_extract(${manifest}, '${sql.raw(path)}')`;
  const scheduledTiers = JSON.stringify(TIERS.filter(isScheduledTier));
  const isScheduled = sql`b.tier IN (SELECT value FROM json_each(${scheduledTiers}))`;
  const [active, newest, made, confirmed, open] = await query("reading what is due", () =>
    catalog.batch([
      catalog
        .select()
        .from(runs)
        .where(and(isNull(runs.finishedAt), isAmong(runs.database, names))),
      catalog
        .select({
          ...{ id, database, takenAt: backups.takenAt, url: fact<string>("$.source.url") },
          namespace: fact<string | null>("$.source.namespace"),
          verified: sql<boolean>`${IS_VERIFIED}`.mapWith(Boolean),
          cursor: fact<string | null>("$.snapshot.cursor"),
          log: fact<string | null>("$.snapshot.log"),
        })
        .from(backups)
        .where(isNewestOfEach(names, ANY)),
      catalog
        .select({
          ...{ database, takenAt: backups.takenAt },
          scheduledFor: fact<string | null>("$.scheduledFor"),
        })
        .from(backups)
        .where(isNewestOfEach(names, isScheduled)),
      catalog
        .select({ database: confirmations.database, at: sql<number>`max(last_for)` })
        .from(confirmations)
        .where(isAmong(confirmations.database, names))
        .groupBy(confirmations.database),
      catalog
        .select()
        .from(lineages)
        .where(and(isAmong(lineages.database, names), sql`ended_at IS NULL`))
        .orderBy(lineages.beganAt),
    ]),
  );
  const moments = new Map<string, number>();
  const later = (name: string, at: number) =>
    moments.set(name, Math.max(at, moments.get(name) ?? at));
  // A late backup counts for the moment that it was due at.
  for (const { database: name, takenAt, scheduledFor } of made)
    later(name, scheduledFor === null ? takenAt : Date.parse(scheduledFor));
  for (const { database: name, at } of confirmed) later(name, at);
  return new Map(
    names.map((name): [string, DueFacts] => {
      const own = newest.find((one) => one.database === name);
      return [
        name,
        {
          active: active.filter((run) => run.database === name),
          scheduledFor: moments.get(name),
          newest: own && {
            ...own,
            cursor: own.cursor === null ? null : (JSON.parse(own.cursor) as PageCursor),
            log: own.log === null ? null : (JSON.parse(own.log) as NewestBackup["log"]),
          },
          lineage: open.findLast((one) => one.database === name),
        },
      ];
    }),
  );
}

/** What is known of a database whose drill may be due. */
export interface DrillFacts {
  /** Time of the newest drill of any of its backups, ISO 8601; null if none was held. */
  readonly lastAt: string | null;
  /** The id of the newest verified backup. */
  readonly newestVerified: string | undefined;
}

/** Read what is known of databases whose drills may be due, in one round trip. @throws NightjarError `CATALOG_FAILED` */
export async function readDueDrills(
  catalog: Catalog,
  names: readonly string[],
): Promise<Map<string, DrillFacts>> {
  const { id, database, drill } = backups;
  const [drills, verified] = await query("reading which drills are due", () =>
    catalog.batch([
      catalog
        .select({ database, lastAt: sql<string | null>`max(json_extract(${drill}, '$.at'))` })
        .from(backups)
        .where(isAmong(database, names))
        .groupBy(database),
      catalog.select({ id, database }).from(backups).where(isNewestOfEach(names, IS_VERIFIED)),
    ]),
  );
  const lastAt = new Map(drills.map((row) => [row.database, row.lastAt]));
  const newest = new Map(verified.map((row) => [row.database, row.id]));
  return new Map(
    names.map((name) => [
      name,
      { lastAt: lastAt.get(name) ?? null, newestVerified: newest.get(name) },
    ]),
  );
}

/** Count the runs that have not ended. */
export function countActive(catalog: Catalog): Promise<number> {
  return query("counting the runs", () => catalog.$count(runs, sql`finished_at IS NULL`));
}

/** List up to `limit` runs that have not ended and of which nothing was heard since `before` (ms). */
export function quietRuns(catalog: Catalog, before: number, limit: number): Promise<Run[]> {
  return query("looking for quiet runs", () =>
    catalog
      .select()
      .from(runs)
      .where(sql`finished_at IS NULL AND ${runs.updatedAt} < ${before}`)
      .orderBy(runs.updatedAt)
      .limit(limit),
  );
}

/** Record that page logs were complete at a time (ms), unless they have grown since they were read. */
export function recordChecks(
  catalog: Catalog,
  checks: readonly { lineage: string; txid: number; at: number }[],
): Promise<unknown> {
  return query("recording looks at page logs", () =>
    catalog.run(sql`
      UPDATE lineages SET checked_at = max(checked_at, c.value ->> 'at')
      FROM json_each(${JSON.stringify(checks)}) c
      WHERE lineages.id = c.value ->> 'lineage' AND lineages.txid = c.value ->> 'txid'`),
  );
}
