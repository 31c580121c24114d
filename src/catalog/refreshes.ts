import { and, eq, gte, isNull, sql, type SQL } from "drizzle-orm";
import { type Catalog, query } from "./open.ts";
import { refreshes } from "./schema.ts";

export type RefreshRow = typeof refreshes.$inferSelect;
export type NewRefresh = Pick<
  RefreshRow,
  | "id"
  | "database"
  | "into"
  | "url"
  | "namespace"
  | "trigger"
  | "backup"
  | "takenAt"
  | "asOf"
  | "sanitized"
>;

/** Refreshes of a database that are kept; the newest that ended well is kept in any case. */
const KEPT = 30;

/** Enter a refresh as queued, unless there is one of this id, and forget the oldest ones of its database. */
export function enterRefresh(catalog: Catalog, refresh: NewRefresh, now: number): Promise<unknown> {
  const { database } = refresh;
  return query(`entering refresh ${refresh.id}`, () =>
    catalog.batch([
      catalog
        .insert(refreshes)
        .values({ ...refresh, state: "queued", createdAt: now })
        .onConflictDoNothing(),
      catalog
        .delete(refreshes)
        .where(
          and(
            eq(refreshes.database, database),
            sql`${refreshes.id} NOT IN (SELECT r.id FROM refreshes r WHERE r.database = ${database} ORDER BY r.created_at DESC, r.id DESC LIMIT ${KEPT})`,
            sql`${refreshes.id} IS NOT (SELECT r.id FROM refreshes r WHERE r.database = ${database} AND r.state = 'done' ORDER BY r.created_at DESC, r.id DESC LIMIT 1)`,
          ),
        ),
    ]),
  );
}

/** Return a refresh; undefined if there is none of this id. */
export function findRefresh(catalog: Catalog, id: string): Promise<RefreshRow | undefined> {
  return query(`reading refresh ${id}`, () =>
    catalog.select().from(refreshes).where(eq(refreshes.id, id)).get(),
  );
}

type Change = Partial<
  Pick<
    RefreshRow,
    "state" | "attempt" | "startedAt" | "endedAt" | "tables" | "rows" | "saved" | "error"
  >
>;

/** Change a refresh that has not ended. */
export function updateRefresh(catalog: Catalog, id: string, change: Change): Promise<unknown> {
  return query(`updating refresh ${id}`, () =>
    catalog
      .update(refreshes)
      .set(change)
      .where(and(eq(refreshes.id, id), isNull(refreshes.endedAt)))
      .run(),
  );
}

/** The refresh of a database that was asked for last, and the last one that ended well. */
export interface LastRefreshes {
  readonly last: RefreshRow | undefined;
  readonly lastGood: RefreshRow | undefined;
}

/**
 * Read the last refreshes of databases, in one round trip.
 *
 * @returns an entry for each name
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function lastRefreshes(
  catalog: Catalog,
  names: readonly string[],
): Promise<Map<string, LastRefreshes>> {
  if (names.length === 0) return new Map();
  const newest = (condition: SQL) =>
    catalog
      .select()
      .from(refreshes)
      .where(
        sql`${refreshes.id} IN (SELECT (SELECT r.id FROM refreshes r WHERE r.database = n.value AND ${condition} ORDER BY r.created_at DESC, r.id DESC LIMIT 1) FROM json_each(${JSON.stringify(names)}) n)`,
      );
  const [last, good] = await query("reading the last refreshes", () =>
    catalog.batch([newest(sql`1`), newest(sql`r.state = 'done'`)]),
  );
  const of = (rows: readonly RefreshRow[], name: string) =>
    rows.find(({ database }) => database === name);
  return new Map(names.map((name) => [name, { last: of(last, name), lastGood: of(good, name) }]));
}

/** Return true if a refresh of any database has filled the database at this address since a moment, ms. */
export function wasRefreshed(
  catalog: Catalog,
  { url, namespace }: Pick<RefreshRow, "url" | "namespace">,
  since: number,
): Promise<boolean> {
  return query(`looking for a refresh of ${url}`, async () => {
    const row = await catalog
      .select({ id: refreshes.id })
      .from(refreshes)
      .where(
        and(
          eq(refreshes.url, url),
          sql`${refreshes.namespace} IS ${namespace}`,
          eq(refreshes.state, "done"),
          gte(refreshes.endedAt, since),
        ),
      )
      .limit(1)
      .get();
    return row !== undefined;
  });
}
