import { type AnyColumn, type SQL, sql } from "drizzle-orm";
import { backups } from "./schema.ts";

/** Make the condition that a column has one of some values, however many: D1 takes 100 parameters a query. */
export function isAmong(column: AnyColumn, values: readonly string[]): SQL {
  return sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;
}

/**
 * Make the condition that a backup is the newest of its database that meets another one, for each of some
 * databases: by an index, and not by a scan.
 *
 * @param condition on a row that is named `b`, or on columns without a table before them
 */
export function isNewestOfEach(names: readonly string[], condition: SQL): SQL {
  return sql`${backups.id} IN (SELECT (SELECT b.id FROM backups b WHERE b.database = n.value AND ${condition} ORDER BY b.taken_at DESC, b.id DESC LIMIT 1) FROM json_each(${JSON.stringify(names)}) n)`;
}

/** The condition that every row meets. */
export const ANY = sql`1`;
