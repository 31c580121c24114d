import { RowSetHash, type TableDigest } from "../../format/tables/digest.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { lowerName } from "../../format/tables/selection.ts";
import { readColumns } from "../columns.ts";
import { digestRowSet } from "../digest-tables.ts";
import type { Image } from "../engine/image.ts";
import { affinityOf } from "../sql/column-rule.ts";
import { planRows } from "../sql/write-rows.ts";
import type { Table } from "../tables.ts";
import { maskedIndexRows, maskedRows } from "./masked-rows.ts";
import type { MaskPlan } from "./plan-masks.ts";

/** What a table holds after its masked rows were inserted. */
export interface MaskedContent {
  /** The columns that are given, as SQL, in the order in which they are hashed. */
  readonly columns: readonly string[];
  /** Count the rows, and hash them whatever their order: masked keys sort otherwise. */
  digest(): Promise<TableDigest>;
}

/**
 * Return what a copy of a table holds that was written with masks; undefined for a table whose content is
 * derived from others, or SQLite's own.
 *
 * @throws NightjarError the image's
 */
export async function maskedContent(
  image: Image,
  table: Table,
  masks: MaskPlan,
): Promise<MaskedContent | undefined> {
  const { name, kind } = table;
  const given = masks.given(name);
  const where = masks.where(name);
  if (kind === "virtual") {
    if (given !== "rows") return undefined;
    const { columns, expressions } = await maskedIndexRows(image, table, masks);
    return { columns, digest: () => digestRowSet(image, name, expressions!, where) };
  }
  if (kind !== "table" && kind !== "without-rowid") return undefined;
  const { columns, names, expressions } = maskedRows(await planRows(image, table), table, masks);
  if (given !== "rows") return { columns, digest: async () => EMPTY(name) };
  const types = new Map(
    (await readColumns(image, name)).map((column) => [lowerName(column.name), column.type]),
  );
  const stored = expressions!.map((expression, at) =>
    expression === quoteName(names[at]!)
      ? expression
      : asStored(expression, types.get(lowerName(names[at]!)) ?? "", table.strict),
  );
  return { columns, digest: () => digestRowSet(image, name, stored, where) };
}

const EMPTY = (name: string): TableDigest => ({
  ...{ name, rows: 0, sha256: new RowSetHash().digest() },
});

/**
 * Return SQL for what a column stores of a value: by its affinity, it makes a number of a text that looks
 * like one, and the reverse (https://sqlite.org/datatype3.html).
 */
function asStored(value: string, type: string, strict: boolean): string {
  switch (affinityOf(type, strict)) {
    case "integer":
    case "numeric":
      // The comparison applies the affinity of the CAST to the text: it is equal if the text is a number.
      return `CASE WHEN typeof(${value}) = 'text' AND ${value} = CAST(${value} AS NUMERIC) THEN CAST(${value} AS NUMERIC) WHEN typeof(${value}) = 'real' AND ${value} = CAST(${value} AS INTEGER) THEN CAST(${value} AS INTEGER) ELSE ${value} END`;
    case "real":
      return `CASE WHEN typeof(${value}) = 'integer' OR (typeof(${value}) = 'text' AND ${value} = CAST(${value} AS NUMERIC)) THEN CAST(${value} AS REAL) ELSE ${value} END`;
    case "text":
      return `CASE WHEN typeof(${value}) IN ('integer', 'real') THEN CAST(${value} AS TEXT) ELSE ${value} END`;
    case "any":
    case "blob":
      return value;
  }
}
