import { NightjarError } from "../errors/errors.ts";
import type { SqlValue } from "../format/rows/json-value.ts";
import type { Value } from "../libsql/hrana-messages.ts";

/** The byte that precedes those of a TEXT, and of a BLOB. */
const TEXT = 116; // t
const BLOB = 98; // b

/**
 * Return SQL that gives a value exactly. Text comes as its bytes, as it need not be UTF-8. One byte before
 * those of texts and blobs distinguishes them, as a table can have as many columns as a SELECT, and leave no
 * room for their types.
 *
 * @param column as SQL
 */
export function exactSql(column: string): string {
  return `CASE typeof(${column}) WHEN 'text' THEN CAST('t'||${column} AS BLOB) WHEN 'blob' THEN CAST('b'||${column} AS BLOB) ELSE ${column} END`;
}

/** Return the value that came for `exactSql`. Bytes are views of what came. */
export function exactValue(value: Value): SqlValue {
  if (value === null || typeof value === "bigint" || typeof value === "number") return value;
  if (typeof value !== "string" && value[0] === TEXT) return { text: value.subarray(1) };
  if (typeof value !== "string" && value[0] === BLOB) return value.subarray(1);
  throw new NightjarError("INTERNAL", "A value came that was asked for as a blob.");
}
