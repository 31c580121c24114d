import { encode } from "../../format/bytes/bytes.ts";
import { rowidName } from "../../format/tables/rowid.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { isMarker } from "../../format/tables/restore-marker.ts";
import { lowerName } from "../../format/tables/selection.ts";
import { type Column, readColumns } from "../columns.ts";
import type { Image } from "../engine/image.ts";
import { describeTables, readSchema, type Table } from "../tables.ts";

/** A table whose rows are found one by one. */
export interface KeyedTable {
  readonly table: Table;
  /** The columns that hold data. Generated ones are left out. */
  readonly columns: readonly Column[];
  /** The names of all columns. */
  readonly names: readonly string[];
  /** The columns of the declared primary key in its order; the rowid where none is declared. */
  readonly key: readonly string[];
  /** True if the key is a rowid that no column shows. */
  readonly byRowid: boolean;
}

/**
 * Find a table of rows by its name.
 *
 * @returns undefined if there is none, if it is one of SQLite's, libSQL's or a module's own, and if its rows
 *   have neither a key nor a rowid that a statement can name
 */
export async function readKeyedTable(image: Image, name: string): Promise<KeyedTable | undefined> {
  const table = describeTables(await readSchema(image)).find(
    (one) => lowerName(one.name) === lowerName(name),
  );
  if (table === undefined || isMarker(table)) return undefined;
  if (table.kind !== "table" && table.kind !== "without-rowid") return undefined;
  const all = await readColumns(image, table.name);
  const columns = all.filter(({ kind }) => kind === "stored");
  const key = await image.rows(
    "SELECT name FROM pragma_table_xinfo(?1) WHERE pk > 0 ORDER BY pk",
    (row) => row.text(0) ?? "",
    [{ text: encode(table.name) }],
  );
  const names = all.map((column) => column.name);
  if (key.length > 0) return { table, columns, names, key, byRowid: false };
  const rowid = rowidName(names);
  return rowid === undefined ? undefined : { table, columns, names, key: [rowid], byRowid: true };
}

/** Return SQL for a part of the key: a quoted `rowid` could be a text. */
export function keySql({ byRowid }: Pick<KeyedTable, "byRowid">, name: string): string {
  return byRowid ? name : quoteName(name);
}
