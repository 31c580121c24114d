import type { DatabaseSync } from "node:sqlite";
import { type Client, createClient } from "@libsql/client/http";

/** The comparison of one table. */
export interface Comparison {
  table: string;
  rows: number;
  /** The first difference, if any. */
  difference?: string;
}

const name = (text: string) => `"${text.replaceAll('"', '""')}"`;

/** Rows fetched per request: far below the server's 10 MB limit for these databases. */
const PAGE = 2000;

/**
 * Compare every table of a libSQL server's database with a local SQLite file, value by value and type by type
 * (`typeof` and `quote`), including rowids, and the text of the schema.
 */
export async function compareDatabases(url: string, restored: DatabaseSync): Promise<Comparison[]> {
  const client = createClient({ url });
  try {
    const { rows } = await client.execute(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    );
    const comparisons = [await compareSchema(client, restored)];
    for (const row of rows) comparisons.push(await compareTable(client, restored, String(row[0])));
    return comparisons;
  } finally {
    client.close();
  }
}

/**
 * Compare the schemas. Dumps write CREATE TABLE as CREATE TABLE IF NOT EXISTS, which SQLite does not keep;
 * the white space after it may differ.
 */
async function compareSchema(client: Client, restored: DatabaseSync): Promise<Comparison> {
  const query =
    "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY type, name";
  const clean = (line: unknown) => String(line).replace(/CREATE TABLE\s+/, "CREATE TABLE ");
  const source = (await client.execute(query)).rows.map((row) => clean(row[0]));
  const copy = restored
    .prepare(query)
    .all()
    .map((row) => clean(row["line"]));
  return differing("sqlite_schema", source, copy);
}

async function compareTable(
  client: Client,
  restored: DatabaseSync,
  table: string,
): Promise<Comparison> {
  const info = restored
    .prepare(`SELECT name, pk FROM pragma_table_info(?) ORDER BY cid`)
    .all(table);
  if (info.length === 0) return { table, rows: 0, difference: "the table is missing" };
  const keyed = restored.prepare("SELECT wr FROM pragma_table_list(?)").get(table)?.["wr"] === 1;
  const keys = info
    .filter((column) => Number(column["pk"]) > 0)
    .map((column) => name(String(column["name"])));
  const order = keyed ? keys.join(", ") : "rowid";
  const values = info.map((column) => {
    const quoted = name(String(column["name"]));
    return `typeof(${quoted}) || ' ' || quote(${quoted})`;
  });
  const line = (keyed ? values : ["rowid", ...values]).join(" || ', ' || ");
  const query = `SELECT ${line} AS line FROM ${name(table)} ORDER BY ${order} LIMIT ${PAGE} OFFSET ?`;
  let rows = 0;
  for (;;) {
    const source = (await client.execute({ sql: query, args: [rows] })).rows.map((row) =>
      String(row[0]),
    );
    const copy = restored
      .prepare(query)
      .all(rows)
      .map((row) => String(row["line"]));
    const page = differing(table, source, copy);
    rows += source.length;
    if (page.difference !== undefined || source.length < PAGE) return { ...page, rows };
  }
}

function differing(table: string, source: string[], copy: string[]): Comparison {
  const rows = source.length;
  const at = source.findIndex((line, index) => line !== copy[index]);
  if (at !== -1)
    return {
      table,
      rows,
      difference: `row ${at + 1}: ${source[at]} became ${copy[at] ?? "nothing"}`,
    };
  if (copy.length > rows) return { table, rows, difference: `${copy.length - rows} rows too many` };
  return { table, rows };
}
