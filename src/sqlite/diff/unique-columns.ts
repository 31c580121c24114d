import { encode } from "../../format/bytes/bytes.ts";
import type { Image } from "../engine/image.ts";
import type { UniqueColumns } from "./row-statements.ts";
import type { Shape } from "./shape.ts";

/** Find the columns by which a row can meet another one, beside the rowid that rows are matched by. */
export async function uniqueColumns(
  image: Image,
  { table, plan, key }: Shape,
): Promise<UniqueColumns> {
  const name = { text: encode(table.name) };
  const indexes = await image.rows(
    `SELECT name, partial FROM pragma_index_list(?1) WHERE "unique" = 1`,
    (row) => ({ name: row.text(0) ?? "", partial: Number(row.integer(1)) !== 0 }),
    [name],
  );
  // Whether a row is in a partial index depends on other columns.
  if (indexes.some(({ partial }) => partial)) return "all";
  const stored = new Set(plan.names.map((column) => column.toLowerCase()));
  const columns = new Set((key ?? []).map((column) => column.name.toLowerCase()));
  for (const index of indexes) {
    const own = await image.rows(
      `SELECT name FROM pragma_index_xinfo(?1) WHERE "key" = 1`,
      (row) => row.text(0)?.toLowerCase(),
      [{ text: encode(index.name) }],
    );
    for (const column of own) {
      // An expression has no name, and a generated column depends on others.
      if (column === undefined || !stored.has(column)) return "all";
      columns.add(column);
    }
  }
  return columns;
}
