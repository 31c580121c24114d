import { messageOf, NightjarError } from "../errors/errors.ts";

/** A database that rows are deleted from, whichever SQLite has it open. */
export interface ErasingDatabase {
  /**
   * Where nobody needs the indexes of a table that loses rows, they are not kept right: they become
   * partial ones that no query can use, and this is told their names and their texts.
   */
  readonly onHidden?: (index: string, sql: string) => void;
  /**
   * Run one statement; `read` is called while its row is current.
   *
   * @throws SqlRefused when SQLite refuses the statement
   */
  each(sql: string, args: readonly Arg[], read: (row: ErasingRow) => void): Promise<void>;
}

/** A text or a blob. */
export type Arg = string | Uint8Array;

export interface ErasingRow {
  /** A column that is TEXT. */
  text(at: number): string;
  /** A column that is a BLOB; holds only while the row is current. */
  bytes(at: number): Uint8Array;
}

/** SQLite refused a statement: a function, a collation or a module is missing, say. */
export class SqlRefused extends Error {}

/** The first column of every row, as text. */
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
 * Do something whose refusal means that the list cannot be applied.
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

/** A name as SQL writes it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
