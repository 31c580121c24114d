/** A value of a row. An INTEGER that a number does not hold exactly is a bigint. */
export type Value = null | number | bigint | string | Uint8Array;

/** A value to bind: a number is a REAL, a bigint an INTEGER. */
export type Bound = null | number | bigint | string | Uint8Array;

export type Row = Readonly<Record<string, Value>>;

/** A database file that is open on this machine. Each call is done when it returns. */
export interface Database {
  /** Run every statement of `sql`. Bytes are run as they are, so that they need not be UTF-8. */
  exec(sql: string | Uint8Array): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** A prepared statement. It is freed when its database is closed. */
export interface Statement {
  all(...args: readonly Bound[]): Row[];
  get(...args: readonly Bound[]): Row | undefined;
  run(...args: readonly Bound[]): void;
  iterate(...args: readonly Bound[]): Iterable<Row>;
  /** Iterate over rows as arrays of their values. */
  cells(...args: readonly Bound[]): Iterable<readonly Value[]>;
}

/**
 * Decide about an action of a statement that is being prepared, by its code and its operands
 * (https://sqlite.org/c3ref/c_alter_table.html).
 */
export type Authorizer = (
  action: number,
  first: string | null,
  second: string | null,
  schema: string | null,
) => boolean;
