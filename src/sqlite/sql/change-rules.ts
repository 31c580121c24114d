import { asNightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import {
  type ColumnDefinition,
  looseColumn,
  type TableDefinition,
  withLooseColumns,
} from "../../format/sql/column-definitions.ts";
import type { Image } from "../engine/image.ts";
import { textLiteral } from "./sql-output.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { Statement } from "../engine/statement.ts";
import type { Table } from "../tables.ts";
import type { RowChoice, RowPlan } from "./write-rows.ts";

/**
 * Return SQL that removes a table's rules, for rows that are older than the rules, and SQL that restores
 * them. In libSQL that is ALTER COLUMN, which is how such rows come to be. In SQLite it changes the
 * schema's text, for which a connection must not be defensive.
 *
 * @param sql the table's text as it was written
 */
export function changeRules(
  { name, strict }: Pick<Table, "name" | "strict">,
  sql: string,
  columns: readonly ColumnDefinition[],
  target: "sqlite" | "libsql",
): { loosen: string; restore: string } {
  if (target === "libsql") {
    // ALTER COLUMN takes the first comma for the end of a definition, even one inside of parentheses.
    const loose = columns.filter(({ fixed, text }) => !fixed && !text.includes(","));
    const alter = (column: ColumnDefinition, text: string) =>
      `ALTER TABLE ${quoteName(name)} ALTER COLUMN ${column.name} TO ${text};\n`;
    return {
      loosen: loose.map((column) => alter(column, looseColumn(column, strict))).join(""),
      restore: loose.map((column) => alter(column, column.text)).join(""),
    };
  }
  const enter = (text: string) =>
    `PRAGMA writable_schema=ON;\nUPDATE sqlite_schema SET sql=${textLiteral(text)} WHERE type='table' AND name=${textLiteral(name)};\nPRAGMA writable_schema=RESET;\n`;
  return {
    loosen: UNGUARDED + enter(withLooseColumns(sql, columns, strict)),
    restore: enter(sql),
  };
}

const UNGUARDED =
  "-- They need a connection without SQLITE_DBCONFIG_DEFENSIVE; in node:sqlite that is { defensive: false }.\n";

/**
 * Return an SQL expression that is true for rows that break a CHECK of the table. There is none if the
 * table has no CHECK, has too many columns for one more, or has a CHECK with what only the server's SQLite
 * knows.
 */
export async function brokenCheck(
  image: Image,
  { name }: Pick<Table, "name">,
  { columns, lateRowid }: RowPlan,
  { checks }: TableDefinition,
): Promise<Pick<RowChoice, "broken">> {
  if (checks.length === 0 || lateRowid !== undefined || columns.length >= 2000) return {};
  const broken = `(${checks.map((check) => `NOT ${check}`).join(" OR ")}) IS TRUE`;
  const sql = `SELECT ${broken} FROM ${quoteName(name)} NOT INDEXED`;
  return image
    .exclusive(async (engine) => {
      const { statement } = await Statement.prepare(engine, encode(sql));
      await statement?.finalize();
      return { broken };
    })
    .catch((thrown: unknown) => {
      if (asNightjarError(thrown).code === "QUERY_FAILED") return {};
      throw thrown;
    });
}
