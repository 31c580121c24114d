import type { Image } from "../../src/sqlite/engine/image.ts";
import { quoteName } from "../../src/format/sql/quote.ts";
import { type Statement, TYPE } from "../../src/sqlite/engine/statement.ts";
import type { PageReader } from "../../src/format/pages/page.ts";

/** Read a database file in memory as pages. */
export function pagesOf(bytes: Uint8Array): PageReader & { reads: number } {
  const stored = (bytes[16]! << 8) | bytes[17]!;
  const pageSize = stored === 1 ? 65_536 : stored;
  return {
    pageSize,
    pageCount: bytes.length / pageSize,
    reads: 0,
    usePage(pgno, use) {
      this.reads++;
      return use(bytes.subarray((pgno - 1) * pageSize, pgno * pageSize));
    },
  };
}

/**
 * List everything in a database, one line each: the schema's text, pragmas, and every row of every table that
 * has a b-tree, with its rowid, types, bits and bytes. Independent of how writeSql reads them.
 */
export async function describeImage(image: Image): Promise<string[]> {
  const lines: string[] = [];
  for (const pragma of ["user_version", "application_id", "encoding"])
    lines.push(`${pragma} ${String(await image.rows(`PRAGMA ${pragma}`, (row) => row.text(0)))}`);
  const schema = await image.rows(
    "SELECT type, name, tbl_name, sql, rootpage FROM sqlite_schema ORDER BY type, name",
    (row) => [0, 1, 2, 3, 4].map((at) => row.text(at)),
  );
  for (const [type, name, table, sql, root] of schema) {
    // An index's text that ends in a line comment is given the line break that ends the comment.
    const text = (image.originals.get(name!) ?? sql)?.trimEnd() ?? null;
    lines.push(`${type} ${JSON.stringify(name)} ${JSON.stringify(table)} ${JSON.stringify(text)}`);
    if (type !== "table" || root === "0") continue;
    lines.push(...(await rowsOf(image, name!)));
  }
  return lines;
}

async function rowsOf(image: Image, table: string): Promise<string[]> {
  const columns = await image.rows(
    `SELECT lower(name) FROM pragma_table_xinfo(${literal(table)})`,
    (row) => row.text(0)!,
  );
  const [keyed] = await image.rows(
    // It lists the key of a table WITHOUT ROWID, and nothing for other tables.
    `SELECT 1 FROM pragma_index_info(${literal(table)})`,
    () => true,
  );
  const rowid = ["rowid", "_rowid_", "oid"].find((alias) => !columns.includes(alias));
  const numbered = keyed !== true && rowid !== undefined;
  // No SELECT can have more than 2,000 columns.
  if (numbered && columns.length >= 2000)
    return [...(await listed(image, table, rowid)), ...(await listed(image, table, "*"))];
  return listed(image, table, numbered ? `${rowid}, *` : "*");
}

async function listed(image: Image, table: string, list: string): Promise<string[]> {
  const rows = await image.rows(`SELECT ${list} FROM ${quoteName(table)} NOT INDEXED`, (row) =>
    Array.from({ length: row.columns }, (_, at) => bits(row, at)).join(" "),
  );
  return rows.map((row) => `  ${table}: ${row}`);
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function bits(row: Statement, at: number): string {
  switch (row.type(at)) {
    case TYPE.INTEGER:
      return `i${row.integer(at)}`;
    case TYPE.REAL: {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, row.real(at));
      return `r${view.getBigUint64(0).toString(16)}`;
    }
    case TYPE.TEXT:
      return `t${hex(row.view(at))}`;
    case TYPE.BLOB:
      return `b${hex(row.view(at))}`;
    default:
      return "null";
  }
}

const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
