import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { cells, tell, type Told } from "./told.ts";

/** A database file, or SQL that makes one, in base64. */
export interface StockOrder {
  readonly file?: string;
  readonly sql?: string;
  /** Further queries to answer. */
  readonly queries?: readonly string[];
}

/** Open a file, or load SQL, in stock SQLite, and read everything. @throws Error as SQLite does */
export async function tellStock(dir: string, { file, sql, queries }: StockOrder): Promise<Told> {
  const path = join(dir, `${crypto.randomUUID()}.db`);
  await writeFile(path, Buffer.from(file ?? "", "base64"));
  const database = new DatabaseSync(path);
  try {
    if (sql !== undefined) database.exec(Buffer.from(sql, "base64").toString());
    return await tell(
      async (statements) => statements.map((one) => rowsOf(database, one)),
      queries,
    );
  } finally {
    database.close();
    await rm(path);
  }
}

function rowsOf(database: DatabaseSync, sql: string): string[][] | undefined {
  try {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return (statement.all() as unknown as SQLOutputValue[][]).map((row) => row.map(cellOf));
  } catch (thrown) {
    if (/no such column: rowid/.test(String(thrown))) return undefined;
    throw thrown;
  }
}

function cellOf(value: SQLOutputValue): string {
  if (typeof value === "bigint") return cells.integer(value);
  if (typeof value === "number") return cells.real(value);
  if (typeof value === "string") return cells.text(value);
  return value === null ? cells.none : cells.blob(value);
}
