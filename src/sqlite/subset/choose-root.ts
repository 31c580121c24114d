import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import type { JsonValue } from "../../format/rows/json-value.ts";
import type { Root, Subset } from "../../format/masks/subset.ts";
import { END, tokenReader } from "../../format/sql/tokens.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { lowerName } from "../../format/tables/selection.ts";
import { readColumns } from "../columns.ts";
import type { Image } from "../engine/image.ts";
import { DEFAULT_LIMITS, runQuery } from "../query.ts";
import type { LinkedTable } from "./linked-tables.ts";

/** Bytes of the keys of the root's rows at most, as JSON. */
const MOST_BYTES = 2 * 1024 * 1024;
/** Codes of a query that is wrong, as opposed to a database that cannot be read. */
const OF_A_QUERY = new Set(["QUERY_FAILED", "QUERY_REFUSED", "QUERY_LIMIT"]);

/**
 * Return the keys of the rows that a subset starts from. Its query may do what a query to a backup may.
 *
 * @throws NightjarError `SANITIZE_SUBSET` if the query fails, or its column does not identify rows; the image's
 */
export async function chooseRoot(
  image: Image,
  table: LinkedTable,
  { root, rows }: Pick<Subset, "root" | "rows">,
): Promise<readonly (readonly JsonValue[])[]> {
  const column = table.columns.get(root.column);
  if (column === undefined) throw refused(`The table ${table.name} has no column ${root.column}.`);
  if (!(await isUnique(image, table, root)))
    throw refused(`Values of ${table.name}.${root.column} may come twice.`, IDENTIFY);
  const key = table.key.map(({ sql }) => `t.${sql}`).join(",");
  const chosen = `SELECT * FROM (${root.sql}\n) LIMIT ${rows}`;
  const sql = `SELECT ${key} FROM main.${quoteName(table.name)} t WHERE t.${column.sql} IN (${chosen})`;
  try {
    return (await runQuery(image, { sql }, { ...DEFAULT_LIMITS, rows, bytes: MOST_BYTES })).rows;
  } catch (thrown) {
    const { code, message } = asNightjarError(thrown);
    if (!OF_A_QUERY.has(code)) throw thrown;
    throw new NightjarError("SANITIZE_SUBSET", `The query \`root\` of the subset: ${message}`, {
      cause: thrown,
    });
  }
}

const IDENTIFY =
  "The column of `root` must be the table's primary key, its rowid, or have a unique index alone.";

async function isUnique(image: Image, { name }: LinkedTable, { column }: Root): Promise<boolean> {
  const stored = await readColumns(image, name);
  if (!stored.some((one) => lowerName(one.name) === column)) return true; // the rowid
  const keys = stored.filter(({ key }) => key);
  if (keys.length === 1 && lowerName(keys[0]!.name) === column) return true;
  const indexes = await image.rows(
    `SELECT max(i.name) FROM pragma_index_list(?1) l, pragma_index_info(l.name) i
     WHERE l."unique" AND NOT l.partial GROUP BY l.name HAVING count(*) = 1`,
    (row) => lowerName(row.text(0) ?? ""),
    [{ text: encode(name) }],
  );
  if (indexes.includes(column)) return true;
  // Where rows are erased, indexes are hidden.
  return [...image.originals.values()].some((sql) => isUniqueIndex(sql, lowerName(name), column));
}

/** Return true for the text of a unique index of one column, of all rows of a table. */
export function isUniqueIndex(sql: string, table: string, column: string): boolean {
  const next = tokenReader(sql);
  if (next().word !== "CREATE" || next().word !== "UNIQUE" || next().word !== "INDEX") return false;
  let token = next();
  while (token !== END && token.word !== "ON") token = next();
  if (lowerName(next().text) !== table || next().word !== "(") return false;
  if (lowerName(next().text) !== column) return false;
  for (token = next(); token.word !== ")"; token = next())
    if (token === END || token.word === "(" || token.word === ",") return false;
  return next() === END;
}

function refused(message: string, hint?: string): NightjarError {
  return new NightjarError("SANITIZE_SUBSET", message, hint === undefined ? {} : { hint });
}
