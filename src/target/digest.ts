import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import { RowHash, RowSetHash, type TableDigest } from "../format/tables/digest.ts";
import { readRows } from "../libsql/cursor.ts";
import type { Value } from "../libsql/hrana-messages.ts";
import type { Source } from "../libsql/server.ts";
import { quoteName } from "../format/sql/quote.ts";
import { retryBusy } from "./retry-busy.ts";
import { asTargetError } from "./target-error.ts";

/** The byte that precedes those of a TEXT, and of a BLOB. */
const TEXT = 116; // t
const BLOB = 98; // b

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
  const values = columns.map(
    (column) =>
      `CASE typeof(${column}) WHEN 'text' THEN CAST('t'||${column} AS BLOB) WHEN 'blob' THEN CAST('b'||${column} AS BLOB) ELSE ${column} END`,
  );
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
  for (const value of row) {
    if (value === null) hash.null();
    else if (typeof value === "bigint") hash.integer(value);
    else if (typeof value === "number") hash.real(value);
    else if (typeof value !== "string" && value[0] === TEXT) hash.text(value.subarray(1));
    else if (typeof value !== "string" && value[0] === BLOB) hash.blob(value.subarray(1));
    else throw new NightjarError("INTERNAL", "A value came that was asked for as a blob.");
  }
}
