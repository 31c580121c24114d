import { encode } from "../format/bytes/bytes.ts";
import { RowHash, RowSetHash, type TableDigest } from "../format/tables/digest.ts";
import type { Image } from "./engine/image.ts";
import { quoteName } from "../format/sql/quote.ts";
import { Statement, TYPE } from "./engine/statement.ts";
import type { Table, TableKind } from "./tables.ts";
import { planRows } from "./sql/write-rows.ts";

/** Rows of one turn on the image. */
const TURN = 5000;

/** Columns of one statement at most (SQLITE_MAX_COLUMN). */
const MOST_COLUMNS = 2000;

/**
 * Kinds of tables whose rows were stored by users or modules; the others are made from them, or are
 * SQLite's statistics.
 */
const HELD: ReadonlySet<TableKind> = new Set(["table", "without-rowid", "shadow"]);

/** Return true if a restore must bring back a table's content. */
export function isHeld({ kind, name }: Pick<Table, "kind" | "name">): boolean {
  return HELD.has(kind) || name === "sqlite_sequence";
}

/**
 * Count and hash every row of one table, as `RowHash` describes. Virtual tables are covered by the shadow
 * tables that have their content.
 *
 * @throws NightjarError `OBJECT_CORRUPT`, `QUERY_LIMIT`, `QUERY_FAILED`; the page reader's own
 */
export async function digestTable(image: Image, table: Table): Promise<TableDigest> {
  const { columns } = await planRows(image, table);
  const hash = new RowHash();
  const rows = await eachRow(image, table.name, columns, (row) => {
    for (let at = 0; at < row.columns; at++) hashValue(hash, row, at);
  });
  return { name: table.name, rows, sha256: hash.digest() };
}

/**
 * Count and hash what expressions make of every row of one table, as `RowSetHash` describes.
 *
 * @param expressions as SQL, no more than a statement may return
 * @param where an expression that is true for the rows that count; undefined for all
 * @throws NightjarError as `digestTable`
 */
export async function digestRowSet(
  image: Image,
  table: string,
  expressions: readonly string[],
  where?: string,
): Promise<TableDigest> {
  const hash = new RowSetHash();
  const rows = await eachRow(
    image,
    table,
    expressions,
    (row) => {
      for (let at = 0; at < row.columns; at++) hashValue(hash.row, row, at);
      hash.endRow();
    },
    where,
  );
  return { name: table, rows, sha256: hash.digest() };
}

/**
 * Read every row of a table in the order of its keys.
 *
 * @param onRow receives each row, in parts where it has more columns than a statement may return
 * @returns the number of rows
 */
async function eachRow(
  image: Image,
  table: string,
  columns: readonly string[],
  onRow: (row: Statement) => void,
  where?: string,
): Promise<number> {
  const cursors: Statement[] = [];
  let rows = 0;
  try {
    // A rowid and as many columns as a table may have are one more than a statement may return.
    for (let at = 0; at < columns.length; at += MOST_COLUMNS)
      cursors.push(await cursor(image, table, columns.slice(at, at + MOST_COLUMNS), where));
    for (let more = true; more;)
      more = await image.exclusive(async () => {
        for (let left = TURN; left > 0; left--) {
          for (const statement of cursors) {
            const step = statement.step();
            if (!(typeof step === "boolean" ? step : await step)) return false;
            onRow(statement);
          }
          rows++;
        }
        return true;
      });
  } finally {
    for (const statement of cursors)
      if (!image.closed) await image.exclusive(() => statement.finalize());
  }
  return rows;
}

/** Select the rows of a table in the order of its keys, not of an index that has all columns. */
function cursor(
  image: Image,
  table: string,
  columns: readonly string[],
  where: string | undefined,
): Promise<Statement> {
  const all = `SELECT ${columns.join(",")} FROM ${quoteName(table)} NOT INDEXED`;
  const sql = where === undefined ? all : `${all} WHERE ${where}`;
  return image.exclusive(
    async (engine) => (await Statement.prepare(engine, encode(sql))).statement!,
  );
}

function hashValue(hash: RowHash, row: Statement, at: number): void {
  switch (row.type(at)) {
    case TYPE.INTEGER:
      return hash.integer(row.integer(at));
    case TYPE.REAL:
      return hash.real(row.real(at));
    case TYPE.TEXT: {
      const from = row.place(at); // before `heap` is read, as this may move it
      return hash.text(row.heap, from, row.size(at));
    }
    case TYPE.BLOB: {
      const from = row.place(at);
      return hash.blob(row.heap, from, row.size(at));
    }
    default:
      return hash.null();
  }
}
