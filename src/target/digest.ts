import type { Deps } from "../deps.ts";
import { NightjarError } from "../errors.ts";
import { RowHash, type TableDigest } from "../format/table-digest.ts";
import { readRows } from "../source/cursor.ts";
import type { Value } from "../source/hrana-messages.ts";
import type { Source } from "../source/server.ts";
import { quoteName } from "../sqlite/sql-text.ts";
import { patiently } from "./patience.ts";
import { asTargetError } from "./target-error.ts";

/** SQLite's limit on the depth of an expression is 1000 (https://sqlite.org/limits.html). */
const FLAGS_AT_ONCE = 500;

/**
 * Count and hash the rows of a table as `RowHash` tells, as they stream from the server. Text comes as
 * its bytes, as it need not be UTF-8; one more column for every 500 says which of them are text.
 *
 * @param columns as SQL, in the order in which they are hashed
 * @throws NightjarError `TARGET_FAILED`, `TARGET_UNREACHABLE`, …
 */
export function digestRows(
  target: Source,
  deps: Deps,
  table: string,
  columns: readonly string[],
  onRows: (rows: number) => Promise<void>,
): Promise<TableDigest> {
  const values = columns.map(
    (column) =>
      `CASE typeof(${column}) WHEN 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END`,
  );
  const flags: string[] = [];
  for (let at = 0; at < columns.length; at += FLAGS_AT_ONCE)
    flags.push(
      columns
        .slice(at, at + FLAGS_AT_ONCE)
        .map((column) => `(typeof(${column})='text')`)
        .join("||"),
    );
  // NOT INDEXED: in the order of the keys, not of an index that has all columns.
  const sql = `SELECT ${[...values, ...flags].join(",")} FROM ${quoteName(table)} NOT INDEXED`;
  return patiently(deps, () => hashAll(target, deps, table, sql, columns.length, onRows));
}

async function hashAll(
  target: Source,
  deps: Deps,
  table: string,
  sql: string,
  columns: number,
  onRows: (rows: number) => Promise<void>,
): Promise<TableDigest> {
  const hash = new RowHash();
  let rows = 0;
  try {
    for await (const batch of readRows(target, deps, [sql])) {
      for (const { values: row } of batch) hashRow(hash, row, columns);
      rows += batch.length;
      await onRows(rows);
    }
  } catch (thrown) {
    throw asTargetError(target, thrown);
  }
  return { name: table, rows, sha256: hash.digest() };
}

function hashRow(hash: RowHash, row: readonly Value[], columns: number): void {
  const texts = row.slice(columns).join("");
  for (let at = 0; at < columns; at++) {
    const value = row[at]!;
    if (value === null) hash.null();
    else if (typeof value === "bigint") hash.integer(value);
    else if (typeof value === "number") hash.real(value);
    else if (typeof value === "string")
      throw new NightjarError("INTERNAL", "A text came that was asked for as a blob.");
    else if (texts[at] === "1") hash.text(value);
    else hash.blob(value);
  }
}
