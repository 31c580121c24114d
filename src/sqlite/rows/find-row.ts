import { NightjarError } from "../../errors/errors.ts";
import { keyText } from "../../erase/erase.ts";
import type { JsonValue, SqlValue } from "../../format/rows/json-value.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { type Erasure, isErased } from "../../format/tables/erasure.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { Image } from "../engine/image.ts";
import { type Statement, TYPE } from "../engine/statement.ts";
import { valueSize } from "../engine/value.ts";
import { affinityOf } from "../sql/column-rule.ts";
import { type KeyedTable, keySql } from "./table-key.ts";
import { readExact } from "./write-export.ts";

/** Bytes of one row at most, roughly as JSON. */
const LONGEST_ROW = 4 * 1024 * 1024;

/** A row, and the entries of the erasure list that name it. */
export interface FoundRow {
  readonly names: readonly string[];
  /** Whole REALs are told from INTEGERs. */
  readonly values: readonly JsonValue[];
  readonly erasures: readonly Erasure[];
}

/**
 * Find a row by its key.
 *
 * @param key a value for each part of the table's key
 * @param erasures entries about this table
 * @returns undefined if there is no such row
 * @throws NightjarError `QUERY_LIMIT` for a row of more than 4 MiB, `ERASURE_FAILED`; the image's
 */
export async function findRow(
  image: Image,
  keyed: KeyedTable,
  key: readonly SqlValue[],
  erasures: readonly Erasure[],
): Promise<FoundRow | undefined> {
  const { table, columns } = keyed;
  const where = keyed.key.map((name, at) => `${keySql(keyed, name)} = ?${at + 1}`).join(" AND ");
  const from = `FROM ${quoteName(table.name)} WHERE ${where}`;
  const reals = columns.map(({ type }) => affinityOf(type, table.strict) === "real");
  const list = columns.map(({ name }) => quoteName(name)).join(",");
  const read = (row: Statement) => {
    const size = columns.reduce((sum, _, at) => sum + valueSize(row, at), 0);
    if (size > LONGEST_ROW)
      throw new NightjarError(
        "QUERY_LIMIT",
        `The row of ${table.name} has ${size} bytes; at most ${LONGEST_ROW} are shown.`,
      );
    return columns.map((_, at) => readExact(row, at, reals[at]!));
  };
  const [values] = await image.rows(`SELECT ${list} ${from} LIMIT 1`, read, key);
  if (values === undefined) return undefined;
  const found: Erasure[] = [];
  for (const [column, entries] of Map.groupBy(erasures, (entry) => lowerName(entry.column))) {
    if (!keyed.names.some((name) => lowerName(name) === column)) continue;
    const [text] = await image.rows(
      `SELECT ${keyText(column)} ${from} LIMIT 1`,
      (row) => (row.type(0) === TYPE.NULL ? undefined : row.asText(0)),
      key,
    );
    if (text !== undefined) found.push(...entries.filter((entry) => isErased(entry, text)));
  }
  return { names: columns.map(({ name }) => name), values, erasures: found };
}
