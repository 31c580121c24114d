import { encode } from "../format/bytes.ts";
import { type Erased, type Erasure, isErased } from "../format/erasure.ts";
import { lowerName } from "../format/selection.ts";
import { isFullText } from "../format/virtual-module.ts";
import { NightjarError } from "../errors.ts";
import type { Engine } from "./engine.ts";
import { allRows } from "./rows.ts";
import { quoteName } from "./sql-text.ts";
import { type Bound, type Statement, TYPE } from "./statement.ts";

/** A trigger may write again what another entry has taken out: so often is looked, at the most. */
const ROUNDS = 5;

/**
 * Delete the rows of an erasure list from an open database whose written pages stay in memory. Triggers
 * run, as they would at the source; foreign keys do not.
 *
 * @throws NightjarError `ERASURE_FAILED` when they come back: then nothing may be given
 */
export async function eraseRows(engine: Engine, erasures: readonly Erasure[]): Promise<Erased> {
  const erased = new Map<string, number>();
  const unapplied: { table: string; column: string }[] = [];
  const targets: Target[] = [];
  for (const [table, entries] of Map.groupBy(erasures, (entry) => entry.table)) {
    const columns = await columnsOf(engine, table);
    if (columns.length === 0) continue; // the table came later, or went before
    for (const [column, matching] of Map.groupBy(entries, (entry) => entry.column))
      if (columns.includes(lowerName(column))) targets.push({ table, column, matching });
      else unapplied.push({ table, column });
  }
  for (let round = 0; ; round++) {
    let rows = 0;
    for (const target of targets) {
      const { table } = target;
      for (const key of await keysIn(engine, target)) {
        const gone = await remove(engine, target, key);
        erased.set(table, (erased.get(table) ?? 0) + gone);
        rows += gone;
      }
    }
    if (rows === 0) break;
    if (round === ROUNDS)
      throw new NightjarError(
        "ERASURE_FAILED",
        `Rows that are erased come back: triggers write them again into ${[...erased.keys()].join(", ")}.`,
      );
  }
  if (erased.size > 0) await mergeFullText(engine);
  return { tables: [...erased].map(([table, rows]) => ({ table, rows })), unapplied };
}

/** A column that tells whose a row is, and the entries about it. */
interface Target {
  readonly table: string;
  readonly column: string;
  readonly matching: readonly Erasure[];
}

function columnsOf(engine: Engine, table: string): Promise<string[]> {
  return allRows(
    engine,
    "SELECT name FROM pragma_table_xinfo(?1)",
    (row) => lowerName(row.text(0) ?? ""),
    [{ text: encode(table) }],
  );
}

/** The keys in a column that are on the list. */
async function keysIn(engine: Engine, { table, column, matching }: Target): Promise<Bound[]> {
  const found: Bound[] = [];
  const sql = `SELECT DISTINCT ${quoteName(column)} FROM ${quoteName(table)}`;
  await allRows(engine, sql, (row) => {
    const type = row.type(0);
    if (type === TYPE.NULL) return;
    // Its value first: asking for it as text may change what the row says of its type.
    const key = valueOf(row, type);
    const text = row.asText(0);
    if (matching.some((erasure) => isErased(erasure, text))) found.push(key);
  });
  return found;
}

function valueOf(row: Statement, type: number): Bound {
  switch (type) {
    case TYPE.INTEGER:
      return BigInt(row.integer(0));
    case TYPE.REAL:
      return row.real(0);
    case TYPE.TEXT:
      return { text: row.view(0).slice() };
    default:
      return row.view(0).slice();
  }
}

async function remove(engine: Engine, { table, column }: Target, key: Bound): Promise<number> {
  const where = `FROM ${quoteName(table)} WHERE ${quoteName(column)} IS ?1`;
  const [rows] = await allRows(
    engine,
    `SELECT count(*) ${where}`,
    (row) => Number(row.integer(0)),
    [key],
  );
  await allRows(engine, `DELETE ${where}`, () => undefined, [key]);
  return rows ?? 0;
}

async function mergeFullText(engine: Engine): Promise<void> {
  const tables = await allRows(
    engine,
    "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND rootpage = 0",
    (row) => ({ name: row.text(0) ?? "", sql: row.text(1) ?? "" }),
  );
  for (const { name, sql } of tables)
    if (isFullText(sql))
      await allRows(
        engine,
        `INSERT INTO ${quoteName(name)}(${quoteName(name)}) VALUES('optimize')`,
        () => undefined,
      );
}
