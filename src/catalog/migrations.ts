import { sql } from "drizzle-orm";
import { type Catalog, query } from "./open.ts";

/** The newest migration of the catalog that this Nightjar needs: the last file of migrations/. */
export const NEEDED_MIGRATION = "0012_fleet.sql";

/**
 * Return the name of the newest migration that Wrangler has applied to the catalog; null if it keeps no list
 * there.
 *
 * @throws NightjarError `CATALOG_FAILED`
 */
export function appliedMigration(catalog: Catalog): Promise<string | null> {
  return query("reading the catalog's migrations", async () => {
    const lists = sql`SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'd1_migrations'`;
    if ((await catalog.all(lists)).length === 0) return null;
    const newest = sql`SELECT name FROM d1_migrations ORDER BY name DESC LIMIT 1`;
    const [row] = await catalog.all<{ name: string }>(newest);
    return row?.name ?? null;
  });
}
