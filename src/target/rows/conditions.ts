import type { SqlValue } from "../../format/rows/json-value.ts";
import type { Value } from "../../libsql/hrana-messages.ts";

/** A piece of SQL, and the values of its `?`. */
export interface Sql {
  readonly sql: string;
  readonly args: readonly Value[];
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Return SQL for a value. Text that a server could misread, such as one with a NUL, goes as its bytes. */
export function valueSql(value: SqlValue): Sql {
  if (value === null || typeof value !== "object" || value instanceof Uint8Array)
    return { sql: "?", args: [value] };
  const bytes = { sql: "CAST(? AS TEXT)", args: [value.text] };
  if (value.text.includes(0)) return bytes;
  try {
    return { sql: "?", args: [UTF8.decode(value.text)] };
  } catch {
    return bytes;
  }
}

/** Return a condition that is true if a column holds exactly this value: type and bits. @param column as SQL */
export function isValue(column: string, value: SqlValue): Sql {
  if (value === null) return { sql: `${column} IS NULL`, args: [] };
  const is = (type: string, left = column) => `(typeof(${column})='${type}' AND ${left}=?)`;
  if (typeof value === "bigint") return { sql: is("integer"), args: [value] };
  if (typeof value === "number") return { sql: is("real"), args: [value] };
  if (value instanceof Uint8Array) return { sql: is("blob"), args: [value] };
  return { sql: is("text", `CAST(${column} AS BLOB)`), args: [value.text] };
}

/** Return a condition that finds the row with a key. @param columns as SQL */
export function hasKey(columns: readonly string[], key: readonly SqlValue[]): Sql {
  const parts = columns.map((column, at) => {
    const { sql, args } = valueSql(key[at]!);
    return { sql: `${column}=${sql}`, args };
  });
  return joined(parts, " AND ");
}

/**
 * Join pieces by an operator. They are joined by halves: SQLite takes no expression that is nested more than
 * 1,000 deep, as one of a thousand `AND`s is.
 */
export function joined(parts: readonly Sql[], operator: string): Sql {
  if (parts.length === 1) return parts[0]!;
  const half = parts.length >> 1;
  const [left, right] = [
    joined(parts.slice(0, half), operator),
    joined(parts.slice(half), operator),
  ];
  return { sql: `(${left.sql}${operator}${right.sql})`, args: [...left.args, ...right.args] };
}

/** Return a statement that fails unless a condition is true. */
export function refuseUnless({ sql, args }: Sql): Sql {
  return { sql: `SELECT abs(CASE WHEN ${sql} THEN 0 ELSE -9223372036854775808 END)`, args };
}
