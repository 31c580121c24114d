import type { Deps } from "../../core/deps.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import type { SqlValue } from "../../format/rows/json-value.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { redact, type Source } from "../../libsql/server.ts";
import type { Step, Told } from "../pipeline.ts";
import { COMMIT, Transaction } from "../transaction.ts";
import { hasKey, isValue, joined, refuseUnless, type Sql, valueSql } from "./conditions.ts";
import type { ForeignKey, TargetTable } from "./target-table.ts";

/** Bytes of values in one request, and values in one condition; more if one row has more. */
const REQUEST = 1024 * 1024;
const CONDITION = 400;

/** A row that is written, or that must stay as it is. */
export interface WrittenRow {
  readonly key: readonly SqlValue[];
  /** The values that it gets, one for each column of its table. */
  readonly values: readonly SqlValue[];
  /** The values that it has; undefined if there is none. */
  readonly before: readonly SqlValue[] | undefined;
  /** Places of the columns that differ. */
  readonly changed: readonly number[];
}

/** Rows of one table. */
export interface WrittenTable {
  readonly table: TargetTable;
  /** The columns that are written, by their names in the target. */
  readonly columns: readonly string[];
  readonly rows: readonly WrittenRow[];
  /** The foreign keys of the table, each with the columns of its parent. */
  readonly parents: readonly (ForeignKey & { readonly to: readonly string[] })[];
}

/** A statement of the transaction, and what it means if it fails. */
interface Act extends Sql {
  readonly fails: () => NightjarError;
  /** True if the server's own words say why. */
  readonly words?: boolean;
}

/**
 * Write rows in one transaction, which fails unless every row is as it was read, and is afterwards as it
 * should be. Foreign keys are off, so that nothing cascades, and are checked before the end.
 *
 * @param isDone is asked for the outcome if the last answer is lost
 * @throws NightjarError `TARGET_CHANGED`, `ROWS_REFUSED`, `PARENTS_MISSING`, as `send`: then nothing was written.
 *   Whatever `isDone` throws
 */
export async function writeTargetRows(
  target: Source,
  deps: Deps,
  tables: readonly WrittenTable[],
  isDone: (lost: unknown) => Promise<boolean>,
): Promise<void> {
  const acts = actsOf(tables);
  const transaction = new Transaction(target, deps);
  let isLast = false;
  try {
    for (let at = 0; at < acts.length;) {
      const first = at;
      for (let bytes = 0; at < acts.length && (at === first || bytes <= REQUEST); at++)
        bytes += sizeOf(acts[at]!);
      isLast = at === acts.length;
      const steps = acts.slice(first, at).map(stepOf);
      if (first === 0)
        steps.unshift({ sql: "PRAGMA foreign_keys=OFF" }, { sql: "BEGIN IMMEDIATE" });
      if (isLast) steps.push(COMMIT);
      const told = await transaction.tell(steps, isLast ? [{ close: true }] : []);
      if ("rows" in told) continue;
      throw meaningOf(told, acts, first - (first === 0 ? 2 : 0), target);
    }
  } catch (thrown) {
    await transaction.abandon();
    const isLost = isLast && !(thrown instanceof Refused) && asNightjarError(thrown).retryable;
    if (isLost && (await isDone(thrown))) return;
    throw thrown instanceof Refused ? thrown.meaning : thrown;
  }
}

/** The server refused a statement, and so nothing was written. */
class Refused extends Error {
  readonly meaning: NightjarError;

  constructor(meaning: NightjarError) {
    super(meaning.message);
    this.meaning = meaning;
  }
}

/** @param offset index of the act that the first step of the request would be */
function meaningOf(
  { refused, step }: Extract<Told, { refused: string }>,
  acts: readonly Act[],
  offset: number,
  target: Source,
): Refused {
  const act = step === undefined ? undefined : acts[step + offset];
  const words = redact(refused, target);
  const isOurs = act !== undefined && (act.words === true || /integer overflow/i.test(words));
  if (!isOurs)
    return new Refused(
      new NightjarError("TARGET_REFUSED", `Nothing was written. The target says: ${words}`),
    );
  const { code, message, hint } = act.fails();
  const told = act.words === true ? `${message}: ${words}` : message;
  return new Refused(new NightjarError(code, told, { hint }));
}

function sizeOf({ sql, args }: Sql): number {
  return args.reduce<number>(
    (sum, arg) => sum + (typeof arg === "string" || arg instanceof Uint8Array ? arg.length : 8),
    sql.length,
  );
}

const stepOf = ({ sql, args }: Sql): Step => ({ sql, args, inTransaction: true });

function actsOf(tables: readonly WrittenTable[]): Act[] {
  return [
    ...tables.flatMap(asRead),
    ...tables.flatMap(writes),
    ...tables.flatMap(asWritten),
    ...tables.flatMap(parentsOf),
    ...tables.flatMap((one) => childrenOf(one)),
  ];
}

/** Fail unless all rows are as they were read. */
function asRead({ table, columns, rows }: WrittenTable): Act[] {
  const fails = () =>
    new NightjarError(
      "TARGET_CHANGED",
      `Rows of ${table.name} have changed since they were compared. Nothing was written.`,
    );
  return checks(
    rows.map(({ key, before }) => exists(table, columns, key, before)),
    fails,
  );
}

/** Fail unless all rows are as they were to become. */
function asWritten({ table, columns, rows }: WrittenTable): Act[] {
  const fails = () =>
    new NightjarError(
      "TARGET_UNFIT",
      `The target does not keep values of ${table.name} as they are: its columns have other types. Nothing was written.`,
    );
  const written = rows.filter(({ changed }) => changed.length > 0);
  return checks(
    written.map(({ key, values }) => exists(table, columns, key, values)),
    fails,
  );
}

/** Join conditions to statements that fail unless all of them hold. */
function checks(conditions: readonly Sql[], fails: Act["fails"]): Act[] {
  const acts: Act[] = [];
  for (let at = 0; at < conditions.length;) {
    const first = at;
    for (let args = 0; at < conditions.length && (at === first || args < CONDITION); at++)
      args += conditions[at]!.args.length + 1;
    acts.push({ ...refuseUnless(joined(conditions.slice(first, at), " AND ")), fails });
  }
  return acts;
}

/** Return a condition: the row with this key has these values; there is none, if none are given. */
function exists(
  table: TargetTable,
  columns: readonly string[],
  key: readonly SqlValue[],
  values: readonly SqlValue[] | undefined,
): Sql {
  const found = hasKey(table.keySql, key);
  const from = `EXISTS (SELECT 1 FROM ${quoteName(table.name)} WHERE ${found.sql}`;
  if (values === undefined) return { sql: `NOT ${from})`, args: found.args };
  const same = joined(
    columns.map((column, at) => isValue(quoteName(column), values[at]!)),
    " AND ",
  );
  return { sql: `${from} AND ${same.sql})`, args: [...found.args, ...same.args] };
}

/** Write each row by a statement of its own. `OR ABORT`: a constraint may say that it replaces other rows. */
function writes({ table, columns, rows }: WrittenTable): Act[] {
  const name = quoteName(table.name);
  return rows
    .filter(({ changed }) => changed.length > 0)
    .map(({ key, values, before, changed }): Act => {
      const fails = () =>
        new NightjarError(
          "ROWS_REFUSED",
          `Nothing was written: the target refuses the row of ${table.name} with the key ${key.map(shown).join(", ")}`,
        );
      const own = values.map(valueSql);
      const found = hasKey(table.keySql, key);
      if (before !== undefined) {
        const sets = changed.map((at) => `${quoteName(columns[at]!)}=${own[at]!.sql}`);
        const sql = `UPDATE OR ABORT ${name} SET ${sets.join(",")} WHERE ${found.sql}`;
        return {
          sql,
          args: [...changed.flatMap((at) => own[at]!.args), ...found.args],
          fails,
          words: true,
        };
      }
      // A rowid that no column shows is named beside the columns.
      const isHidden = !table.columns.includes(table.key[0]!);
      const all = isHidden ? [valueSql(key[0]!), ...own] : own;
      const names = [...(isHidden ? table.keySql : []), ...columns.map(quoteName)];
      const sql = `INSERT OR ABORT INTO ${name}(${names.join(",")}) VALUES (${all.map((one) => one.sql).join(",")})`;
      return { sql, args: all.flatMap(({ args }) => args), fails, words: true };
    });
}

/** A key for people. */
function shown(value: SqlValue): string {
  if (value === null) return "NULL";
  if (value instanceof Uint8Array) return "a blob";
  return typeof value === "object" ? new TextDecoder().decode(value.text) : String(value);
}

/** Fail unless every row that refers to another one now has it. */
function parentsOf({ table, columns, rows, parents }: WrittenTable): Act[] {
  return parents.flatMap(({ parent, from, to }) => {
    const places = from.map((name) => placeOf(columns, name));
    const conditions = rows
      .filter(({ changed }) => places.some((at) => changed.includes(at)))
      .filter(({ values }) => places.every((at) => at !== -1 && values[at] !== null))
      .map(({ values }) =>
        hasRow(
          parent,
          to,
          places.map((at) => values[at]!),
        ),
      );
    return checks(
      conditions,
      () =>
        new NightjarError(
          "PARENTS_MISSING",
          `Nothing was written: rows of ${table.name} refer to rows of ${parent} that the target does not have.`,
        ),
    );
  });
}

/** Fail if a row of another table refers to values that a row had, and that none has now. */
function childrenOf({ table, columns, rows }: WrittenTable): Act[] {
  return table.references.flatMap((reference) => {
    const to = reference.to ?? table.key;
    const places = to.map((name) => placeOf(columns, name));
    const conditions = rows
      .filter(({ before }) => before !== undefined)
      .filter(({ changed }) => places.some((at) => changed.includes(at)))
      .filter(({ before }) => places.every((at) => at !== -1 && before![at] !== null))
      .map(({ before }): Sql => {
        const old = places.map((at) => before![at]!);
        const child = hasRow(reference.table, reference.from, old);
        const parent = hasRow(table.name, to, old);
        return {
          sql: `(NOT ${child.sql} OR ${parent.sql})`,
          args: [...child.args, ...parent.args],
        };
      });
    return checks(
      conditions,
      () =>
        new NightjarError(
          "ROWS_REFUSED",
          `Nothing was written: rows of ${reference.table} refer to values of ${table.name} that would change.`,
        ),
    );
  });
}

function hasRow(table: string, columns: readonly string[], values: readonly SqlValue[]): Sql {
  const { sql, args } = hasKey(columns.map(quoteName), values);
  return { sql: `EXISTS (SELECT 1 FROM ${quoteName(table)} WHERE ${sql})`, args };
}

function placeOf(columns: readonly string[], name: string): number {
  return columns.findIndex((column) => column.toLowerCase() === name.toLowerCase());
}
