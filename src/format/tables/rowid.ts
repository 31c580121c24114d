import { lowerName } from "./selection.ts";

/** Return a name of the rowid that no column has taken. */
export function rowidName(columns: readonly string[]): string | undefined {
  const taken = new Set(columns.map(lowerName));
  return ["rowid", "_rowid_", "oid"].find((alias) => !taken.has(alias));
}
