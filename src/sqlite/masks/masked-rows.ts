import { quoteName } from "../../format/sql/quote.ts";
import { moduleOf } from "../../format/sql/virtual-module.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { Image } from "../engine/image.ts";
import type { RowPlan } from "../sql/write-rows.ts";
import type { SchemaObject, Table } from "../tables.ts";
import { withoutComments } from "../../format/masks/without-comments.ts";
import type { MaskPlan } from "./plan-masks.ts";
import { storedNames } from "../columns.ts";

/** Return the plan of a table's rows with masks in it, and without the rowids that no column shows. */
export function maskedRows(
  { columns, rules }: RowPlan,
  { name }: Pick<Table, "name">,
  { expression }: MaskPlan,
): RowPlan {
  const shown = columns.flatMap((column, at) => {
    if (!column.startsWith('"')) return []; // the rowid
    const plain = column.slice(1, -1).replaceAll('""', '"');
    const masked = expression(name, plain);
    const rule = masked === undefined ? rules[at] : undefined;
    return [{ column, plain, read: masked ?? column, rule }];
  });
  return {
    columns: shown.map(({ column }) => column),
    names: shown.map(({ plain }) => plain),
    expressions: shown.map(({ read }) => read),
    rules: shown.map(({ rule }) => rule),
    hiddenRowids: false,
  };
}

/** Return the plan of the rows of a full-text index with content of its own, with masks in it. */
export async function maskedIndexRows(
  image: Image,
  { name }: Table,
  { expression }: MaskPlan,
): Promise<RowPlan> {
  const own = await storedNames(image, name);
  return {
    columns: ["rowid", ...own.map(quoteName)],
    names: own,
    expressions: [
      expression(name, "rowid") ?? "rowid",
      ...own.map((column) => expression(name, column) ?? quoteName(column)),
    ],
    rules: [],
    hiddenRowids: false,
  };
}

/** Return SQL that fills a full-text index of another table again; nothing for any other table. */
export function rebuildSql({ name, sql }: Table, masks: MaskPlan): string {
  if (masks.given(name) !== "derived" || lowerName(moduleOf(sql ?? "") ?? "") !== "fts5") return "";
  return `INSERT INTO ${quoteName(name)}(${quoteName(name)}) VALUES('rebuild');\n`;
}

/** Return an object of the schema without its comments, which may name anybody. */
export function withoutItsComments(object: SchemaObject): SchemaObject {
  return { ...object, sql: object.sql === null ? null : withoutComments(object.sql) };
}
