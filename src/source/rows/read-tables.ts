import { NightjarError } from "../../errors/errors.ts";
import type { SqlValue } from "../../format/rows/json-value.ts";
import { quoteName } from "../../format/sql/quote.ts";
import type { Row } from "../../libsql/cursor.ts";
import type { Value } from "../../libsql/hrana-messages.ts";
import {
  CATALOG_STATEMENTS,
  CatalogReader,
  catalogSql,
  isSameCatalog,
  type RowCatalog,
} from "./catalog.ts";
import type { Transactions, Wire } from "./transaction.ts";

/** A table to read: its columns as SQL. */
export interface TableRead {
  readonly name: string;
  readonly columns: readonly string[];
}

/** A table begins, which has rows or not; or rows of the table that began last. */
export type RowEvent =
  | { readonly table: number }
  /** The memory of their values is valid until the next event. */
  | { readonly rows: readonly (readonly SqlValue[])[] };

/** Columns of a SELECT at most (SQLITE_MAX_COLUMN, https://sqlite.org/limits.html). */
const MOST_COLUMNS = 2000;

/** Read the catalog in a transaction of its own. @throws NightjarError as `CatalogReader` */
export async function readCatalog(transactions: Transactions): Promise<RowCatalog> {
  const reader = new CatalogReader();
  for await (const rows of transactions.read(catalogSql(transactions.wire)))
    for (const row of rows) reader.add(row);
  return reader.end();
}

/**
 * Read all rows of tables in one transaction, in the order of the tables.
 *
 * The transaction reads the catalog again, which must be the one that the tables were chosen by. What shows
 * that all of it is of one moment: the server's own COMMIT at the end; nobody has written meanwhile through
 * or past this connection, as far as it tells; each table had as many rows as it counted before.
 *
 * @throws NightjarError `SCHEMA_CHANGED` before the first event, if the catalog is another one; `ROWS_INVALID`
 *   for an answer that cannot be true, `ROWS_UNAVAILABLE`; as `Transactions.read`
 */
export async function* readTables(
  transactions: Transactions,
  catalog: RowCatalog,
  tables: readonly TableRead[],
): AsyncIterable<RowEvent> {
  const writes = writesSql(transactions);
  const reads = tables.flatMap((table) => [
    `SELECT count(*) FROM ${inMain(table)}`,
    rowsSql(transactions, table),
  ]);
  const statements = [...catalogSql(transactions.wire), writes, ...reads, writes];
  const first = CATALOG_STATEMENTS + 1;
  const last = statements.length - 1;
  let reader: CatalogReader | undefined = new CatalogReader();
  let before: string | undefined;
  let after: string | undefined;
  let at = -1;
  let expected = 0;
  const refuseFewer = () => {
    if (expected !== 0)
      throw new NightjarError(
        "ROWS_INVALID",
        `The server counted ${Math.abs(expected)} rows ${expected > 0 ? "more" : "fewer"} of table ${tables[at]!.name} than it sent.`,
      );
  };
  for await (const batch of transactions.read(statements)) {
    let rows: SqlValue[][] = [];
    for (const row of batch) {
      const { statement, values } = row;
      if (statement < CATALOG_STATEMENTS) {
        reader?.add(row);
        continue;
      }
      if (statement < first) {
        if (!isSameCatalog(catalog, reader!.end()))
          throw new NightjarError("SCHEMA_CHANGED", "The schema changed while it was read.");
        reader = undefined;
        before = stateOf(values);
        continue;
      }
      if (before === undefined) throw disorder();
      if (statement === last) {
        refuseFewer();
        after = stateOf(values);
        continue;
      }
      const table = Math.floor((statement - first) / 2);
      if ((statement - first) % 2 === 0) {
        if (rows.length > 0) yield { rows };
        rows = [];
        refuseFewer();
        if (table !== at + 1) throw disorder();
        at = table;
        expected = countOf(values);
        yield { table };
      } else {
        if (table !== at) throw disorder();
        expected--;
        rows.push(rowOf(row, tables[at]!));
      }
    }
    if (rows.length > 0) yield { rows };
  }
  if (at !== tables.length - 1 || after === undefined) throw disorder();
  if (before !== after)
    throw new NightjarError("ROWS_INVALID", "Somebody wrote within the transaction that was read.");
}

/**
 * Return SQL of facts that are the same at both ends of a transaction, unless it was none: changes through
 * this connection, and the database's version as this connection sees it. Tursodb tells only its schema's.
 */
function writesSql({ wire }: Transactions): string {
  const version = wire === "cursor" ? "data_version" : "schema_version";
  return `SELECT total_changes(), (SELECT ${version} FROM pragma_${version})`;
}

function stateOf(values: readonly Value[]): string {
  if (values.length !== 2 || !values.every((value) => typeof value === "bigint")) throw disorder();
  return values.join();
}

/**
 * Return SQL of a table's rows. Its first column has a letter for the type of each value. Text comes as a
 * blob: it need not be UTF-8, and may have NUL.
 *
 * @throws NightjarError `ROWS_UNAVAILABLE` for too many columns
 */
function rowsSql({ wire }: Transactions, table: TableRead): string {
  const { name, columns } = table;
  if (columns.length >= MOST_COLUMNS)
    throw new NightjarError(
      "ROWS_UNAVAILABLE",
      `Table ${name} has ${columns.length} columns; a SELECT has ${MOST_COLUMNS} at the most.`,
    );
  const types = joined(columns.map((column) => typeSql(column, wire)));
  const values = columns.map(
    (column, at) =>
      `CASE typeof(${column}) WHEN 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END AS c${at}`,
  );
  // NOT INDEXED: an index that has all columns would give the rows in its own order.
  return `SELECT ${[`${types} AS t`, ...values].join(", ")} FROM ${inMain(table)} NOT INDEXED`;
}

/** Return a table's name as SQL that no temporary table's name hides. */
function inMain({ name }: TableRead): string {
  return `main.${quoteName(name)}`;
}

/** Return SQL of a value's type: `n`, `i`, `r`, `t`, `b`; in JSON also `p` and `m` for ±Infinity. */
function typeSql(column: string, wire: Wire): string {
  const letter = `substr(typeof(${column}), 1, 1)`;
  // The sign keeps a column's affinity from converting the number that it is compared with.
  return wire === "cursor"
    ? letter
    : `CASE WHEN typeof(${column}) <> 'real' THEN ${letter} WHEN +${column} = 9e999 THEN 'p' WHEN +${column} = -9e999 THEN 'm' ELSE 'r' END`;
}

/** Join expressions as a balanced tree: SQLite allows 1,000 levels. */
function joined(expressions: readonly string[]): string {
  if (expressions.length < 3) return expressions.join("||");
  const half = expressions.length >> 1;
  return `(${joined(expressions.slice(0, half))})||(${joined(expressions.slice(half))})`;
}

function countOf([count]: readonly Value[]): number {
  if (typeof count !== "bigint" || count < 0n) throw disorder();
  return Number(count);
}

function rowOf({ values }: Row, { name, columns }: TableRead): SqlValue[] {
  const [types] = values;
  if (typeof types !== "string" || types.length !== columns.length) throw misfit(name);
  if (values.length !== columns.length + 1) throw misfit(name);
  const row: SqlValue[] = [];
  for (let at = 0; at < columns.length; at++) {
    const value = sqlValueOf(types.charCodeAt(at), values[at + 1]!);
    if (value === undefined) throw misfit(name);
    row.push(value);
  }
  return row;
}

/** Return the value of a type's letter; undefined if the server sent another one. */
function sqlValueOf(letter: number, value: Value): SqlValue | undefined {
  switch (letter) {
    case 110: // n
      return value === null ? null : undefined;
    case 105: // i
      return typeof value === "bigint" ? value : undefined;
    case 114: // r
      return typeof value === "number" && !Number.isNaN(value) ? value : undefined;
    case 112: // p
      return Number.isNaN(value) ? Number.POSITIVE_INFINITY : undefined;
    case 109: // m
      return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : undefined;
    case 116: // t
      return value instanceof Uint8Array ? { text: value } : undefined;
    case 98: // b
      return value instanceof Uint8Array ? value : undefined;
    default:
      return undefined;
  }
}

function misfit(table: string): NightjarError {
  return new NightjarError(
    "ROWS_INVALID",
    `The server sent a row of table ${table} whose values do not have the types that it tells.`,
  );
}

function disorder(): NightjarError {
  return new NightjarError("ROWS_INVALID", "The server's answers do not belong to the statements.");
}
