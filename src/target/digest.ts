import type { Deps } from "../core/deps.ts";
import { RowHash, RowSetHash, type TableDigest } from "../format/tables/digest.ts";
import { readRows } from "../libsql/cursor.ts";
import type { Value } from "../libsql/hrana-messages.ts";
import type { Source } from "../libsql/server.ts";
import { quoteName } from "../format/sql/quote.ts";
import { exactSql, exactValue } from "./exact-value.ts";
import { retryBusy } from "./retry-busy.ts";
import { asTargetError } from "./target-error.ts";

/**
 * Count and hash the rows of a table, as `RowHash` describes, while they stream from the server. Text comes
 * as its bytes, as it need not be UTF-8. One byte before those of texts and blobs distinguishes them, as a
 * table can have as many columns as a SELECT, and leave no room for their types.
 *
 * @param columns as SQL, in the order in which they are hashed
 * @param as `set` hashes the rows whatever their order, as `RowSetHash` describes
 * @throws NightjarError `TARGET_FAILED`, `TARGET_UNREACHABLE`, …
 */
export function digestRows(
  target: Source,
  deps: Deps,
  table: string,
  columns: readonly string[],
  onRows: (rows: number) => Promise<void>,
  as: "list" | "set" = "list",
): Promise<TableDigest> {
  const values = columns.map(exactSql);
  // NOT INDEXED: in the order of the keys, not of an index that has all columns.
  const sql = `SELECT ${values.join(",")} FROM ${quoteName(table)} NOT INDEXED`;
  return retryBusy(deps, () => hashAll(target, deps, { table, sql, as }, onRows));
}

async function hashAll(
  target: Source,
  deps: Deps,
  { table, sql, as }: { table: string; sql: string; as: "list" | "set" },
  onRows: (rows: number) => Promise<void>,
): Promise<TableDigest> {
  const list = new RowHash();
  const set = new RowSetHash();
  let rows = 0;
  try {
    for await (const batch of readRows(target, deps, [sql])) {
      for (const { values: row } of batch) {
        hashRow(as === "list" ? list : set.row, row);
        if (as === "set") set.endRow();
      }
      rows += batch.length;
      await onRows(rows);
    }
  } catch (thrown) {
    throw asTargetError(target, thrown);
  }
  return { name: table, rows, sha256: as === "list" ? list.digest() : set.digest() };
}

function hashRow(hash: RowHash, row: readonly Value[]): void {
  for (const told of row) {
    const value = exactValue(told);
    if (value === null) hash.null();
    else if (typeof value === "bigint") hash.integer(value);
    else if (typeof value === "number") hash.real(value);
    else if (value instanceof Uint8Array) hash.blob(value);
    else hash.text(value.text);
  }
}
