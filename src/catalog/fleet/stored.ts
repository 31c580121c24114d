import { sql } from "drizzle-orm";
import { type Catalog, query } from "../open.ts";

/** List up to `limit` names that have backups and come after `after`, in the order of the names. */
export function storedAfter(catalog: Catalog, after: string, limit: number): Promise<string[]> {
  return query("listing which names have backups", async () => {
    const rows = await catalog.all<{ name: string }>(
      sql`SELECT database AS name FROM backups WHERE database > ${after} GROUP BY database ORDER BY database LIMIT ${limit}`,
    );
    return rows.map(({ name }) => name);
  });
}

/** Return those of some names that have backups. */
export function storedAmong(catalog: Catalog, names: readonly string[]): Promise<string[]> {
  return query("looking for names that have backups", async () => {
    const rows = await catalog.all<{ name: string }>(
      sql`SELECT n.value AS name FROM json_each(${JSON.stringify(names)}) n WHERE EXISTS (SELECT 1 FROM backups WHERE database = n.value)`,
    );
    return rows.map(({ name }) => name);
  });
}
