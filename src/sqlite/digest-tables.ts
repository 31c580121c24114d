import { encode } from "../format/bytes.ts";
import { RowHash, type TableDigest } from "../format/table-digest.ts";
import type { Image } from "./image.ts";
import { quoteName } from "./sql-text.ts";
import { Statement, TYPE } from "./statement.ts";
import type { Table, TableKind } from "./tables.ts";
import { planRows } from "./write-rows.ts";

/** Rows of one turn on the image. */
const TURN = 5000;

/** Tables that hold what somebody stored; the others are made from it, or are SQLite's statistics. */
const HELD: ReadonlySet<TableKind> = new Set(["table", "without-rowid", "shadow"]);

/** Whether a table's content belongs to what a restore must bring back. */
export function isHeld({ kind, name }: Pick<Table, "kind" | "name">): boolean {
  return HELD.has(kind) || name === "sqlite_sequence";
}

/**
 * Count and hash every row of the tables that hold something, as `RowHash` tells; virtual tables by the
 * shadow tables that keep their content.
 *
 * @throws NightjarError `OBJECT_CORRUPT`; the page reader's own
 */
export async function digestTables(image: Image, tables: readonly Table[]): Promise<TableDigest[]> {
  const digests: TableDigest[] = [];
  for (const table of tables) if (isHeld(table)) digests.push(await digestTable(image, table));
  return digests;
}

/** Count and hash one table. @throws NightjarError as `digestTables` */
export async function digestTable(image: Image, table: Table): Promise<TableDigest> {
  const { columns } = await planRows(image, table);
  // NOT INDEXED: in the order of the keys, not of an index that has all columns.
  const sql = `SELECT ${columns.join(",")} FROM ${quoteName(table.name)} NOT INDEXED`;
  const statement = await image.exclusive(
    async (engine) => (await Statement.prepare(engine, encode(sql))).statement!,
  );
  const hash = new RowHash();
  let rows = 0;
  try {
    for (let more = true; more;)
      more = await image.exclusive(async () => {
        for (let left = TURN; left > 0; left--) {
          const step = statement.step();
          if (!(typeof step === "boolean" ? step : await step)) return false;
          rows++;
          for (let at = 0; at < columns.length; at++) hashValue(hash, statement, at);
        }
        return true;
      });
  } finally {
    if (!image.closed) await image.exclusive(() => statement.finalize());
  }
  return { name: table.name, rows, sha256: hash.digest() };
}

function hashValue(hash: RowHash, row: Statement, at: number): void {
  switch (row.type(at)) {
    case TYPE.INTEGER:
      return hash.integer(row.integer(at));
    case TYPE.REAL:
      return hash.real(row.real(at));
    case TYPE.TEXT:
      return hash.text(row.view(at));
    case TYPE.BLOB:
      return hash.blob(row.view(at));
    default:
      return hash.null();
  }
}
