import { encode } from "../format/bytes/bytes.ts";
import type { Image } from "./engine/image.ts";

/** A column of a table, as `PRAGMA table_xinfo` tells it. */
export interface Column {
  readonly name: string;
  /** Its declared type, as it is written. */
  readonly type: string;
  /** True if it is a part of the primary key. */
  readonly key: boolean;
  readonly notNull: boolean;
  /** `hidden` is one that a virtual table's module does not show. */
  readonly kind: "stored" | "hidden" | "generated";
}

const KINDS = ["stored", "hidden", "generated", "generated"] as const;

/** Read the columns of a table, in their order. There are none if there is no such table. */
export function readColumns(image: Image, table: string): Promise<Column[]> {
  return image.rows(
    'SELECT name, type, pk, "notnull", hidden FROM pragma_table_xinfo(?1)',
    (row): Column => ({
      name: row.text(0) ?? "",
      type: row.text(1) ?? "",
      key: Number(row.integer(2)) > 0,
      notNull: Number(row.integer(3)) > 0,
      kind: KINDS[Number(row.integer(4))]!,
    }),
    [{ text: encode(table) }],
  );
}

/** Read the names of the columns that hold data: neither generated ones nor those that a module hides. */
export async function storedNames(image: Image, table: string): Promise<string[]> {
  const columns = await readColumns(image, table);
  return columns.filter(({ kind }) => kind === "stored").map(({ name }) => name);
}
