import { encode } from "../../format/bytes/bytes.ts";
import { affinityOf, type ColumnRule, fits } from "./column-rule.ts";
import type { Engine } from "../engine/engine.ts";
import type { Image } from "../engine/image.ts";
import { SqlOutput } from "./sql-output.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { rowidName } from "../../format/tables/rowid.ts";
import { Statement } from "../engine/statement.ts";
import type { Table } from "../tables.ts";
import { type Column, readColumns } from "../columns.ts";

/** Bytes of SQL that are collected before they are passed on, and the most that one INSERT grows to. */
const CHUNK = 64 * 1024;
/** Rows of one turn on the image at most. */
const TURN = 5000;
/** SQLITE_MAX_COLUMN: of a table, and also of a SELECT and an INSERT (https://sqlite.org/limits.html). */
const MAX_COLUMNS = 2000;

/** A plan for reading and writing a table's rows. */
export interface RowPlan {
  /** The names of columns, as SQL. */
  readonly columns: readonly string[];
  /** The names of the stored columns, in the order of the table. */
  readonly names: readonly string[];
  /** The name of the rowid, as SQL; undefined if there is none, or no statement can name it. */
  readonly rowid?: string;
  /** What is read in the place of each column, as SQL; the column itself if undefined. */
  readonly expressions?: readonly string[];
  /** True if its rows have numbers that no column shows and no statement can name. */
  readonly hiddenRowids: boolean;
  /** The rule of each column, by its place in `columns`; undefined for a column without a rule. */
  readonly rules: readonly (ColumnRule | undefined)[];
  /** The rowid's name, in a table that has no room for it in an INSERT. It is then set by an UPDATE. */
  readonly lateRowid?: string;
}

/** Choose the columns that an INSERT must name so that every row comes back as it was, its rowid included. */
export async function planRows(
  image: Image,
  table: Pick<Table, "name" | "withoutRowid" | "strict">,
): Promise<RowPlan> {
  const columns = await readColumns(image, table.name);
  const indexed = await image.rows(
    "SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'",
    () => true,
    [{ text: encode(table.name) }],
  );
  return rowPlanOf(table, columns, indexed.length > 0);
}

/**
 * Choose the columns as `planRows` does, of a table that is not at hand.
 *
 * @param keyIndexed true if the table has an index for its primary key
 */
export function rowPlanOf(
  { withoutRowid, strict }: Pick<Table, "withoutRowid" | "strict">,
  columns: readonly Column[],
  keyIndexed: boolean,
): RowPlan {
  const stored = columns.filter(({ kind }) => kind !== "generated");
  const names = stored.map((column) => column.name);
  const own = names.map(quoteName);
  const rules = stored.map((column) => ruleOf(column, strict));
  if (withoutRowid) return { columns: own, names, hiddenRowids: false, rules };
  // An INTEGER PRIMARY KEY is the rowid itself, unless it has an index of its own (DESC).
  const keys = columns.filter(({ key }) => key);
  if (keys.length === 1 && keys[0]!.type.toUpperCase() === "INTEGER" && !keyIndexed)
    return { columns: own, names, rowid: quoteName(keys[0]!.name), hiddenRowids: false, rules };
  const rowid = rowidName(columns.map((column) => column.name));
  if (rowid === undefined) return { columns: own, names, hiddenRowids: true, rules };
  if (own.length >= MAX_COLUMNS)
    return { columns: own, names, hiddenRowids: false, rules, lateRowid: rowid };
  const withRowid = { columns: [rowid, ...own], rules: [undefined, ...rules] };
  return { ...withRowid, names, rowid, hiddenRowids: false };
}

/** Return a column's rule. A key has none: it identifies a row, and ALTER COLUMN never changes its values. */
function ruleOf({ type, notNull, key }: Column, strict: boolean): ColumnRule | undefined {
  const affinity = affinityOf(type, strict);
  return key || (affinity === "any" && !notNull) ? undefined : { affinity, notNull, strict };
}

/** The choice of a table's rows to write. */
export interface RowChoice {
  /** SQL that begins with ` WHERE`; undefined for all rows. */
  readonly where?: string;
  /** An SQL expression that is true for a row that breaks a CHECK. */
  readonly broken?: string;
  /**
   * With `fit`, rows that the table would refuse or change are left out; with `misfit`, only those are
   * written. Undefined for both.
   */
  readonly only?: "fit" | "misfit";
}

/**
 * Write INSERT statements for the rows of a table, in the order of their keys.
 *
 * @returns the number of rows that were left out
 */
export async function* writeRows(
  image: Image,
  table: string,
  plan: RowPlan,
  choice: RowChoice = {},
): AsyncGenerator<Uint8Array, number> {
  const { columns } = plan;
  const insert = `INSERT INTO ${quoteName(table)}(${columns.join(",")}) VALUES`;
  const rows = await image.exclusive((engine) => openRows(engine, table, plan, choice));
  const output = new SqlOutput();
  const late = new LateRowids(table, plan.lateRowid);
  let open = false;
  let left = 0;
  try {
    for (let more = true; more;) {
      // One turn at a time, so that a reader that stops here does not block the image.
      more = await image.exclusive(async () => {
        for (let turn = TURN; turn > 0 && output.length < CHUNK; turn--) {
          const here = rows.values.step();
          if (!(typeof here === "boolean" ? here : await here)) return false;
          if (rows.rowids !== undefined) await rows.rowids.step();
          if (!isChosen(rows.values, plan, choice)) {
            left++;
            continue;
          }
          if (open) output.ascii(",\n(");
          else output.write(`${insert}\n(`);
          for (let at = 0; at < columns.length; at++) {
            if (at > 0) output.ascii(",");
            output.value(rows.values, at);
          }
          output.ascii(")");
          open = true;
          const update = rows.rowids === undefined ? undefined : late.after(rows.rowids);
          if (update === undefined) continue;
          output.write(`;\n${update}`);
          open = false;
        }
        return true;
      });
      if (open) output.ascii(";\n");
      open = false;
      if (output.length > 0) yield output.take();
    }
  } finally {
    if (!image.closed)
      await image.exclusive(async () => {
        await rows.values.finalize();
        await rows.rowids?.finalize();
      });
  }
  return left;
}

interface Rows {
  readonly values: Statement;
  /** The rowids of the same rows, if `values` has no room for them. */
  readonly rowids: Statement | undefined;
}

async function openRows(
  engine: Engine,
  table: string,
  { columns, expressions = columns, lateRowid }: RowPlan,
  { where = "", broken }: RowChoice,
): Promise<Rows> {
  // NOT INDEXED: an index that has all columns would give the rows in its own order.
  const from = `FROM ${quoteName(table)} NOT INDEXED${where}`;
  const prepare = async (list: readonly string[]) =>
    (await Statement.prepare(engine, encode(`SELECT ${list.join(",")} ${from}`))).statement!;
  const rowids = lateRowid === undefined ? undefined : await prepare([lateRowid]);
  const list = broken === undefined ? expressions : [...expressions, broken];
  return { values: await prepare(list), rowids };
}

function isChosen(row: Statement, { columns, rules }: RowPlan, { only, broken }: RowChoice) {
  if (only === undefined) return true;
  let fit = broken === undefined || Number(row.integer(columns.length)) === 0;
  for (let at = 0; fit && at < columns.length; at++) {
    const rule = rules[at];
    if (rule !== undefined) fit = fits(row, at, rule);
  }
  return fit === (only === "fit");
}

/** Makes the UPDATE that gives the last row its rowid, if SQLite has given it another one. */
class LateRowids {
  readonly #table: string;
  readonly #rowid: string | undefined;
  /** The rowid that SQLite gives the next row: one more than the greatest. */
  #next = 1n;

  constructor(table: string, rowid: string | undefined) {
    this.#table = table;
    this.#rowid = rowid;
  }

  after(row: Statement): string | undefined {
    const wanted = BigInt(row.integer(0));
    const given = this.#next;
    this.#next = wanted + 1n;
    if (wanted === given) return undefined;
    const table = quoteName(this.#table);
    const value = wanted === -0x8000_0000_0000_0000n ? "-9223372036854775807-1" : String(wanted);
    return `UPDATE ${table} SET ${this.#rowid}=${value} WHERE ${this.#rowid}=(SELECT max(${this.#rowid}) FROM ${table});\n`;
  }
}
