/**
 * Count the rows of a database, as every count of Nightjar does: those of all tables except SQLite's own
 * (`sqlite_sequence`, `sqlite_stat1`, …), whose rows no user stored. A virtual table has none itself.
 */
export function countRows(
  tables: readonly { readonly name: string; readonly rows: number | null }[],
): number {
  return tables.reduce((sum, { name, rows }) => sum + (isOwn(name) ? 0 : (rows ?? 0)), 0);
}

/** Return true if a table is SQLite's own. */
export function isOwn(name: string): boolean {
  return /^sqlite_/i.test(name);
}
