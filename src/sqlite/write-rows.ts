import { encode } from "../format/bytes.ts";
import type { Image } from "./image.ts";
import { SqlOutput } from "./sql-output.ts";
import { quoteName } from "./sql-text.ts";
import { Statement } from "./statement.ts";
import type { Table } from "./tables.ts";

/** Bytes of SQL that are collected before they are handed on, and the most that one INSERT grows to. */
const CHUNK = 64 * 1024;

interface Column {
  readonly name: string;
  readonly type: string;
  readonly key: boolean;
  /** Computed from the others, so that it cannot be inserted. */
  readonly generated: boolean;
}

/** How a table's rows are read and written. */
export interface RowPlan {
  readonly columns: readonly string[];
  /** Its rows have numbers that no column shows and no statement can name. */
  readonly hiddenRowids: boolean;
}

/** Which columns an INSERT must name so that every row comes back as it was, its rowid included. */
export async function planRows(image: Image, { name, withoutRowid }: Table): Promise<RowPlan> {
  const columns = await image.rows(
    "SELECT name, type, pk, hidden FROM pragma_table_xinfo(?1)",
    (row): Column => ({
      name: row.text(0) ?? "",
      type: row.text(1) ?? "",
      key: Number(row.integer(2)) > 0,
      generated: Number(row.integer(3)) > 1,
    }),
    [{ text: encode(name) }],
  );
  const own = columns.filter(({ generated }) => !generated).map((column) => quoteName(column.name));
  if (withoutRowid) return { columns: own, hiddenRowids: false };
  // An INTEGER PRIMARY KEY is the rowid itself, unless it has an index of its own (DESC).
  const keys = columns.filter(({ key }) => key);
  const indexed = await image.rows(
    "SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'",
    () => true,
    [{ text: encode(name) }],
  );
  if (keys.length === 1 && keys[0]!.type.toUpperCase() === "INTEGER" && indexed.length === 0)
    return { columns: own, hiddenRowids: false };
  const taken = new Set(columns.map((column) => column.name.toLowerCase()));
  const rowid = ["rowid", "_rowid_", "oid"].find((alias) => !taken.has(alias));
  return rowid === undefined
    ? { columns: own, hiddenRowids: true }
    : { columns: [rowid, ...own], hiddenRowids: false };
}

/** INSERT statements for the rows of a table, all unless `where` says less, in the order of their keys. */
export async function* writeRows(
  image: Image,
  table: string,
  { columns }: RowPlan,
  where = "",
): AsyncGenerator<Uint8Array> {
  const list = columns.join(",");
  const insert = `INSERT INTO ${quoteName(table)}(${list}) VALUES`;
  // NOT INDEXED: an index that has all columns would give the rows in its own order.
  const sql = `SELECT ${list} FROM ${quoteName(table)} NOT INDEXED${where}`;
  const statement = await image.exclusive(
    async (engine) => (await Statement.prepare(engine, encode(sql))).statement!,
  );
  const output = new SqlOutput();
  let open = false;
  try {
    for (let more = true; more;) {
      // One turn at a time, so that whoever stops reading here does not stop the image.
      more = await image.exclusive(async () => {
        while (output.length < CHUNK) {
          const step = statement.step();
          if (!(typeof step === "boolean" ? step : await step)) return false;
          if (open) output.ascii(",\n(");
          else output.write(`${insert}\n(`);
          open = true;
          for (let at = 0; at < columns.length; at++) {
            if (at > 0) output.ascii(",");
            output.value(statement, at);
          }
          output.ascii(")");
        }
        return true;
      });
      if (open) output.ascii(";\n");
      open = false;
      if (output.length > 0) yield output.take();
    }
  } finally {
    if (!image.closed) await image.exclusive(() => statement.finalize());
  }
}
