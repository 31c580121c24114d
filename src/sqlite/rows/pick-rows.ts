import { NightjarError } from "../../errors/errors.ts";
import { copyOf, encode } from "../../format/bytes/bytes.ts";
import type { SqlValue } from "../../format/rows/json-value.ts";
import { quoteName } from "../../format/sql/quote.ts";
import type { Image } from "../engine/image.ts";
import { Statement, TYPE } from "../engine/statement.ts";
import { refuseUnpreparable } from "./refuse-unpreparable.ts";
import { type KeyedTable, keySql } from "./table-key.ts";

/** A row, with its key. Its values are in the order of the table's columns. */
export interface PickedRow {
  readonly key: readonly SqlValue[];
  readonly values: readonly SqlValue[];
}

/** What may still be picked. */
export interface Allowance {
  rows: number;
  bytes: number;
}

/** Bytes that a number or NULL counts as. */
const SMALL = 8;

/**
 * Read the rows for which an SQL expression is true.
 *
 * @param allowance is reduced by what is read
 * @throws NightjarError `QUERY_REFUSED` for a `where` that is more than an expression of its table,
 *   `ROWS_TOO_MANY`; the image's
 */
export async function pickRows(
  image: Image,
  keyed: KeyedTable,
  where: string,
  allowance: Allowance,
): Promise<PickedRow[]> {
  // A line break ends a comment that the expression may end with.
  const select = selectOf(keyed, `(${where}\n)`);
  await refuseUnpreparable(image, keyed.table.name, select, where);
  return read(image, keyed, select, [], allowance);
}

/** Read the row that has these values in some columns. @throws NightjarError as `pickRows` */
export async function pickRow(
  image: Image,
  keyed: KeyedTable,
  columns: readonly string[],
  values: readonly SqlValue[],
  allowance: Allowance,
): Promise<PickedRow | undefined> {
  const where = columns.map((name, at) => `${quoteName(name)} = ?${at + 1}`).join(" AND ");
  const select = `${selectOf(keyed, where)} LIMIT 1`;
  const [row] = await read(image, keyed, select, values, allowance);
  return row;
}

function selectOf(keyed: KeyedTable, where: string): string {
  const own = keyed.columns.map(({ name }) => quoteName(name));
  const columns = [...keyed.key.map((name) => keySql(keyed, name)), ...own];
  return `SELECT ${columns.join(",")} FROM ${quoteName(keyed.table.name)} WHERE ${where}`;
}

function read(
  image: Image,
  { table, key }: KeyedTable,
  select: string,
  args: readonly SqlValue[],
  allowance: Allowance,
): Promise<PickedRow[]> {
  return image.exclusive(async (engine) => {
    const { statement } = await Statement.prepare(engine, encode(select));
    const rows: PickedRow[] = [];
    try {
      args.forEach((value, at) => statement!.bind(at + 1, value));
      for (;;) {
        const step = statement!.step();
        if (!(typeof step === "boolean" ? step : await step)) return rows;
        const values = Array.from({ length: statement!.columns }, (_, at) =>
          valueAt(statement!, at, allowance),
        );
        if (--allowance.rows < 0 || allowance.bytes < 0)
          throw new NightjarError(
            "ROWS_TOO_MANY",
            `More rows of ${table.name} were chosen than are restored one by one: 10,000 rows, and 8 MiB of values.`,
          );
        rows.push({ key: values.slice(0, key.length), values: values.slice(key.length) });
      }
    } finally {
      await statement!.finalize();
    }
  });
}

function valueAt(row: Statement, at: number, allowance: Allowance): SqlValue {
  const type = row.type(at);
  const isLong = type === TYPE.TEXT || type === TYPE.BLOB;
  allowance.bytes -= isLong ? row.size(at) : SMALL;
  if (allowance.bytes < 0) return null; // the caller refuses it: nothing is copied
  switch (type) {
    case TYPE.INTEGER:
      return BigInt(row.integer(at));
    case TYPE.REAL:
      return row.real(at);
    case TYPE.TEXT:
      return { text: copyOf(row.view(at)) };
    case TYPE.BLOB:
      return copyOf(row.view(at));
    default:
      return null;
  }
}
