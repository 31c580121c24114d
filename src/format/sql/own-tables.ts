import { lowerName } from "../tables/selection.ts";

/** Tables that SQLite and libSQL make by themselves. Any other name, however it begins, is the user's. */
const SQLITE = new Set([
  "sqlite_sequence",
  ...["sqlite_stat1", "sqlite_stat2", "sqlite_stat3", "sqlite_stat4"],
]);
const LIBSQL = new Set(["libsql_vector_meta_shadow", "libsql_wasm_func_table"]);

/** Return true if a table is libSQL's own: for its vector indexes and its functions. */
export function isLibsqlOwn(table: string): boolean {
  return LIBSQL.has(lowerName(table));
}

/** Return true if a table is SQLite's or libSQL's own. */
export function isOwnTable(table: string): boolean {
  return SQLITE.has(lowerName(table)) || isLibsqlOwn(table);
}
