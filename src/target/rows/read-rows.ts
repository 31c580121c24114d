import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { SqlValue } from "../../format/rows/json-value.ts";
import { quoteName } from "../../format/sql/quote.ts";
import type { Source } from "../../libsql/server.ts";
import { exactSql, exactValue } from "../exact-value.ts";
import type { Step } from "../pipeline.ts";
import { runStatements } from "../run-statements.ts";
import { hasKey, joined, type Sql } from "./conditions.ts";
import type { TargetTable } from "./target-table.ts";

/** Rows that one request asks for at most, and bytes of them in its answer, if it is not a single row. */
const ROWS = 200;
const BYTES = 2 * 1024 * 1024;

/** What rows of a target are asked for. */
export interface Wanted {
  readonly table: TargetTable;
  readonly columns: readonly string[];
  readonly keys: readonly (readonly SqlValue[])[];
}

/**
 * Read the rows with some keys.
 *
 * @param most bytes of all rows
 * @returns the values for each key; undefined where there is no such row
 * @throws NightjarError `ROWS_TOO_MANY` for more bytes; as `runStatements`
 */
export async function readTargetRows(
  target: Source,
  deps: Deps,
  { table, columns, keys }: Wanted,
  most: number,
): Promise<(SqlValue[] | undefined)[]> {
  const own = columns.map(quoteName);
  const sizes: number[] = [];
  const size = joined(
    own.map((column): Sql => ({ sql: `coalesce(length(CAST(${column} AS BLOB)),0)`, args: [] })),
    "+",
  ).sql;
  for (let at = 0; at < keys.length; at += ROWS) {
    const found = await ask(keys.slice(at, at + ROWS), size);
    sizes.push(...found.map((rows) => Number(rows[0]?.[0] ?? 0)));
  }
  const total = sizes.reduce((sum, one) => sum + one, 0);
  if (total > most)
    throw new NightjarError(
      "ROWS_TOO_MANY",
      `The rows of ${table.name} in the target have ${total} bytes; at most ${most} are compared.`,
    );
  const rows: (SqlValue[] | undefined)[] = [];
  while (rows.length < keys.length) {
    const first = rows.length;
    let last = first + 1;
    let bytes = sizes[first]!;
    for (; last < keys.length && last - first < ROWS && bytes + sizes[last]! <= BYTES; last++)
      bytes += sizes[last]!;
    const found = await ask(keys.slice(first, last), own.map(exactSql).join(","));
    for (const [row] of found) rows.push(row?.map(exactValue));
  }
  return rows;

  function ask(some: Wanted["keys"], list: string) {
    const steps = some.map((key): Step => {
      const { sql, args } = hasKey(table.keySql, key);
      return { sql: `SELECT ${list} FROM ${quoteName(table.name)} WHERE ${sql} LIMIT 1`, args };
    });
    return runStatements(target, deps, steps);
  }
}

/**
 * Find out which values a table has in some columns.
 *
 * @returns for each whether a row has them
 */
export async function haveValues(
  target: Source,
  deps: Deps,
  table: string,
  columns: readonly string[],
  values: readonly (readonly SqlValue[])[],
): Promise<boolean[]> {
  const found: boolean[] = [];
  for (let at = 0; at < values.length; at += ROWS) {
    const steps = values.slice(at, at + ROWS).map((some): Step => {
      const { sql, args } = hasKey(columns.map(quoteName), some);
      return { sql: `SELECT EXISTS (SELECT 1 FROM ${quoteName(table)} WHERE ${sql})`, args };
    });
    for (const rows of await runStatements(target, deps, steps))
      found.push(Number(rows[0]![0]) === 1);
  }
  return found;
}
