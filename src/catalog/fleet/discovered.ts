import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import { type Catalog, query } from "../open.ts";
import { discovered } from "../schema.ts";

/** A database of the organization, as Turso's list last had it. */
export type Discovered = typeof discovered.$inferSelect;

/** Read some databases by their names; names that were never listed are left out. */
export function findDiscovered(catalog: Catalog, names: readonly string[]): Promise<Discovered[]> {
  return query("reading what Turso lists", () =>
    catalog
      .select()
      .from(discovered)
      .where(sql`${discovered.name} IN (SELECT value FROM json_each(${JSON.stringify(names)}))`),
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
