import { NightjarError } from "../../errors/errors.ts";
import { schemaFault } from "../../format/sql/schema-statement.ts";
import { type Selection, selects } from "../../format/tables/selection.ts";
import { shieldTerminators } from "../../format/sql/shell-lines.ts";
import { withStringLiterals } from "../../format/sql/string-literals.ts";
import type { Image } from "../engine/image.ts";
import type { SchemaObject, Table } from "../tables.ts";
import { readColumns } from "../columns.ts";

/**
 * Return the text of a schema object as we write it in SQL: as the database has it, but with strings in
 * single quotes and without lines that a shell takes for its own. Neither change alters the meaning.
 */
export async function writtenSql(image: Image, object: SchemaObject): Promise<string> {
  return writtenText(
    object,
    hasResolvedQuotes(object) ? (await readColumns(image, object.table)).map(byName) : [],
  );
}

const byName = ({ name }: { readonly name: string }): string => name;

/**
 * Return true if the object's text may have strings in double quotes, which its table's columns tell from
 * names. A virtual table's arguments belong to its module, which need not be known here.
 */
function hasResolvedQuotes({ sql, rootpage }: SchemaObject): boolean {
  return rootpage !== 0 && (sql ?? "").includes('"');
}

/**
 * Return the text of a schema object as `writtenSql` does.
 *
 * @param columns the names of its table's columns
 */
export function writtenText(object: SchemaObject, columns: readonly string[]): string {
  const sql = object.sql ?? "";
  const resolved = columns.length > 0 && hasResolvedQuotes(object);
  return shieldTerminators(resolved ? withStringLiterals(sql, columns) : sql);
}

/**
 * Refuse a database that cannot be written as SQL, before anything of it is written: one whose text is not
 * UTF-8, and one with a selected object whose text is not exactly one CREATE statement, as it would run
 * other statements wherever the SQL is loaded.
 *
 * @throws NightjarError `FORMAT_UNAVAILABLE`, `SCHEMA_UNSAFE`
 */
export async function refuseUnwritable(
  image: Image,
  schema: readonly SchemaObject[],
  tables: readonly Table[],
  selection: Selection,
): Promise<void> {
  const [encoding] = await image.rows("PRAGMA encoding", (row) => row.text(0));
  if (encoding !== "UTF-8")
    throw new NightjarError(
      "FORMAT_UNAVAILABLE",
      `The database's text is ${encoding}, and SQL is written for UTF-8 only.`,
      { hint: "Ask for the database file: `db` or `db.zst`." },
    );
  refuseUnsafe(schema, tables, selection);
}

/**
 * Refuse a schema with a selected object whose text is not exactly one CREATE statement.
 *
 * @throws NightjarError `SCHEMA_UNSAFE`
 */
export function refuseUnsafe(
  schema: readonly SchemaObject[],
  tables: readonly Table[],
  selection: Selection,
): void {
  const owners = new Map(tables.map(({ name, owner }) => [name, owner ?? name]));
  for (const { type, name, table, sql } of schema) {
    const wanted =
      type === "view"
        ? selection.tables === undefined
        : selects(selection, owners.get(table) ?? table);
    if (!wanted) continue;
    const fault = faultOf(type, name + table, selection.schema ? sql : null);
    if (fault === undefined) continue;
    throw new NightjarError(
      "SCHEMA_UNSAFE",
      `The ${type} ${JSON.stringify(name)} cannot be written as SQL: ${fault}.`,
    );
  }
}

function faultOf(
  type: SchemaObject["type"],
  names: string,
  sql: string | null,
): string | undefined {
  if (names.includes("\0")) return "its name has a NUL byte";
  if (sql === null) return undefined;
  // The tokenizer of a statement passes over comments, with which no text in a sound schema begins.
  if (!/^create\b/i.test(sql)) return "it does not begin with CREATE";
  return schemaFault(type, sql);
}
