import { messageOf, NightjarError } from "../errors/errors.ts";

/** A database to delete rows from, in any SQLite. */
export interface ErasingDatabase {
  /**
   * Set if the indexes of a table that loses rows need not stay correct. Such an index becomes a partial
   * one that no query can use, and this is called with its name and its text.
   */
  readonly onHidden?: (index: string, sql: string) => void;
  /**
   * Run one statement. `read` is called while its row is current.
   *
   * @throws SqlRefused when SQLite refuses the statement
   */
  each(sql: string, args: readonly Arg[], read: (row: ErasingRow) => void): Promise<void>;
}

/** A text or a blob. */
export type Arg = string | Uint8Array;

export interface ErasingRow {
  /** Return the value of a TEXT column. */
  text(at: number): string;
  /** Return the bytes of a BLOB column, valid only while the row is current. */
  bytes(at: number): Uint8Array;
}

/** SQLite refused a statement: a function, a collation or a module is missing, say. */
export class SqlRefused extends Error {}

/** Return the first column of every row, as text. */
export async function textsOf(
  database: ErasingDatabase,
  sql: string,
  args: readonly Arg[],
): Promise<string[]> {
  const texts: string[] = [];
  await database.each(sql, args, (row) => texts.push(row.text(0)));
  return texts;
}

/**
 * Run an action. If SQLite refuses it, the list cannot be applied.
 *
 * @throws NightjarError `ERASURE_FAILED` with `what` and SQLite's words; whatever else `action` throws
 */
export async function failErasure<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    if (!(thrown instanceof SqlRefused)) throw thrown;
    throw failed(`${what}: ${messageOf(thrown)}.`, undefined, thrown);
  }
}

export function failed(message: string, hint?: string, cause?: unknown): NightjarError {
  return new NightjarError("ERASURE_FAILED", message, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
