import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import { type Catalog, query } from "../open.ts";
import { discovered } from "../schema.ts";
import { isAmong } from "../among.ts";

/** A database of the organization, as Turso's list last had it. */
export type Discovered = typeof discovered.$inferSelect;

/** Read some databases by their names; names that were never listed are left out. */
export function findDiscovered(catalog: Catalog, names: readonly string[]): Promise<Discovered[]> {
  return query("reading what Turso lists", () =>
    catalog.select().from(discovered).where(isAmong(discovered.name, names)),
  );
}

/** Read the database with this host name that Turso lists; undefined if it lists none. */
export function findByHostname(
  catalog: Catalog,
  hostname: string,
): Promise<Discovered | undefined> {
  return query("looking for a host that Turso lists", () =>
    catalog
      .select()
      .from(discovered)
      .where(and(eq(discovered.hostname, hostname), isNull(discovered.goneAt)))
      .limit(1)
      .get(),
  );
}

/** Read up to `limit` databases whose names come after `after`, in the order of their names. */
export function discoveredAfter(
  catalog: Catalog,
  after: string,
  limit: number,
): Promise<Discovered[]> {
  return query("reading what Turso lists", () =>
    catalog
      .select()
      .from(discovered)
      .where(gt(discovered.name, after))
      .orderBy(asc(discovered.name))
      .limit(limit),
  );
}

/** Count the databases that Turso lists, and those that it lists no longer. */
export function countDiscovered(catalog: Catalog): Promise<{ listed: number; gone: number }> {
  return query("counting what Turso lists", async () => {
    const counted = await catalog
      .select({ all: sql<number>`count(*)`, gone: sql<number>`count(${discovered.goneAt})` })
      .from(discovered)
      .get();
    const { all = 0, gone = 0 } = counted ?? {};
    return { listed: all - gone, gone };
  });
}

/** Return true if Turso lists more than `limit` databases. */
export function hasMoreDiscovered(catalog: Catalog, limit: number): Promise<boolean> {
  return query("looking how long Turso's list is", async () => {
    const rows = await catalog
      .select({ name: discovered.name })
      .from(discovered)
      .where(isNull(discovered.goneAt))
      .orderBy(asc(discovered.name))
      .limit(1)
      .offset(limit);
    return rows.length > 0;
  });
}

/** Enter databases as Turso lists them, in place of what was known of their names. */
export function enterDiscovered(catalog: Catalog, rows: readonly Discovered[]): Promise<unknown> {
  return query(`entering ${rows.length} databases that Turso lists`, () =>
    catalog.run(sql`
      INSERT INTO discovered (name, turso_id, hostname, group_name, reads_blocked, delete_protected, cipher, first_seen_at, gone_at)
      SELECT value ->> 'name', value ->> 'tursoId', value ->> 'hostname', value ->> 'group',
        value ->> 'readsBlocked', value ->> 'deleteProtected', value ->> 'cipher', value ->> 'firstSeenAt', value ->> 'goneAt'
      FROM json_each(${JSON.stringify(rows)}) WHERE true
      ON CONFLICT (name) DO UPDATE SET turso_id = excluded.turso_id, hostname = excluded.hostname,
        group_name = excluded.group_name, reads_blocked = excluded.reads_blocked,
        delete_protected = excluded.delete_protected, cipher = excluded.cipher,
        first_seen_at = excluded.first_seen_at, gone_at = excluded.gone_at`),
  );
}

/** Record that Turso lists some databases no longer. */
export function markGone(
  catalog: Catalog,
  names: readonly string[],
  goneAt: number,
): Promise<unknown> {
  return query("recording what Turso lists no longer", () =>
    catalog
      .update(discovered)
      .set({ goneAt })
      .where(and(isAmong(discovered.name, names), isNull(discovered.goneAt)))
      .run(),
  );
}
