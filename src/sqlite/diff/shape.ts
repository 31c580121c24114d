import { encode } from "../../format/bytes/bytes.ts";
import { quoteName } from "../../format/sql/quote.ts";
import type { Image } from "../engine/image.ts";
import { planRows, type RowPlan } from "../sql/write-rows.ts";
import type { Table } from "../tables.ts";
import type { KeyColumn } from "./key-order.ts";

/** SQLITE_MAX_COLUMN, of a table and also of a SELECT (https://sqlite.org/limits.html). */
const MOST_COLUMNS = 2000;

/** A table on one side, and how its rows are read and identified. */
export interface Shape {
  readonly table: Table;
  readonly plan: RowPlan;
  /** The primary key of a table WITHOUT ROWID, in the order of its rows. */
  readonly key: readonly KeyColumn[] | undefined;
}

/**
 * How rows of one table are matched between two states:
 *
 * - `rowid`: by the rowid, which an INTEGER PRIMARY KEY is another name of.
 * - `key`: by the primary key, in a table WITHOUT ROWID.
 * - `none`: not at all. All rows of one side are removed and all of the other added, if there is any
 *   difference: the table has become another kind of table or has another key, or its rowids cannot be read.
 */
export type Matching = "rowid" | "key" | "none";

export async function readShape(image: Image, table: Table): Promise<Shape> {
  const plan = await planRows(image, table);
  return { table, plan, key: table.withoutRowid ? await readKeyColumns(image, table) : undefined };
}

export function matchingOf(before: Shape, after: Shape): Matching {
  if (before.key !== undefined && after.key !== undefined)
    return JSON.stringify(before.key.map(lowerKey)) === JSON.stringify(after.key.map(lowerKey))
      ? "key"
      : "none";
  return hasRowid(before) && hasRowid(after) ? "rowid" : "none";
}

const lowerKey = (column: KeyColumn) => ({ ...column, name: column.name.toLowerCase() });

/** Return true if one SELECT can read the rowid and all columns. */
function hasRowid({ key, plan }: Shape): boolean {
  return key === undefined && plan.rowid !== undefined && plan.names.length < MOST_COLUMNS;
}

/** Return the columns that a row of this table is read with: its rowid, if it has one, and all stored ones. */
export function selectedColumns(shape: Shape): string[] {
  const own = shape.plan.names.map(quoteName);
  return hasRowid(shape) ? [shape.plan.rowid!, ...own] : own;
}

/** Return the place of the first stored column among the selected ones. */
export function firstColumn(shape: Shape): number {
  return hasRowid(shape) ? 1 : 0;
}

/** Return the places of the key's columns among the selected ones. */
export function keyPlaces({ key, plan }: Shape): number[] {
  const names = plan.names.map((name) => name.toLowerCase());
  return (key ?? []).map(({ name }) => names.indexOf(name.toLowerCase()));
}

async function readKeyColumns(image: Image, { name }: Table): Promise<KeyColumn[]> {
  return image.rows(
    `SELECT x.name, x.coll, x."desc" FROM pragma_index_list(?1) AS l, pragma_index_xinfo(l.name) AS x
     WHERE l.origin = 'pk' AND x."key" = 1 ORDER BY x.seqno`,
    (row) => ({
      name: row.text(0) ?? "",
      collation: (row.text(1) ?? "").toUpperCase(),
      descending: Number(row.integer(2)) !== 0,
    }),
    [{ text: encode(name) }],
  );
}
