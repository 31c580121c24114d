import { newestBackup } from "../catalog/backups.ts";
import type { Context } from "../worker/context.ts";
import { asNightjarError, NightjarError } from "../errors/errors.ts";
import { decode, encode } from "../format/bytes/bytes.ts";
import { readColumns } from "../format/sql/created-columns.ts";
import { lowerName } from "../format/tables/selection.ts";
import { readSqlHead } from "../format/sql/head.ts";
import { SqlScanner } from "../format/sql/scanner.ts";
import type { Manifest } from "../model/manifest.ts";
import { nearest } from "../plan/nearest.ts";
import { openImage } from "../sqlite/engine/open.ts";
import { momentAt, windowOf } from "./moment.ts";
import { dumpText, type Stored, storedPages } from "./stored.ts";

/** The known facts of a database's newest schema. */
interface Known {
  /** The place that it was read from, for people. */
  readonly from: string;
  readonly tables: readonly string[];
  /** The columns of the table in question; undefined if they cannot be read here. */
  readonly columns: readonly string[] | undefined;
}

/** Longest CREATE TABLE of a dump that is parsed; bytes. */
const MAX_CREATE = 1024 * 1024;

/**
 * Check a table and a column against the newest stored schema.
 *
 * @returns for people, what they were checked against, or the reason why they could not be
 * @throws NightjarError `ERASURE_UNKNOWN` with the closest name
 */
export async function checkColumn(
  context: Context,
  database: string,
  table: string,
  column: string,
): Promise<string> {
  const known = await newestSchema(context, database, table);
  if ("why" in known) return `not checked: ${known.why}`;
  refuseUnknown("table", table, known.tables, known.from);
  if (known.columns === undefined)
    return `the table was checked against ${known.from}, and its column was not, as nobody can read it here`;
  refuseUnknown(`column of ${table}`, column, known.columns, known.from);
  return `checked against ${known.from}`;
}

function refuseUnknown(what: string, name: string, known: readonly string[], from: string): void {
  if (known.some((one) => lowerName(one) === lowerName(name))) return;
  const guess = nearest(name, known);
  throw new NightjarError(
    "ERASURE_UNKNOWN",
    `There is no ${what} called ${name} in ${from}${guess === undefined ? "." : `: did you mean ${guess}?`}`,
  );
}

async function newestSchema(
  context: Context,
  database: string,
  table: string,
): Promise<Known | { readonly why: string }> {
  const newest = await newestBackup(context.catalog, database);
  try {
    const moment = await newestMoment(context, database);
    if (moment !== undefined) return await ofImage(context, { moment }, table, "the page log");
    if (newest === undefined) return { why: `${database} has no backup yet` };
    const { manifest } = newest;
    const from = `backup ${manifest.id}`;
    if (manifest.encryption !== undefined)
      return { from, tables: manifest.tables.map(({ name }) => name), columns: undefined };
    return manifest.kind === "dump"
      ? await ofDump(context, manifest, table, from)
      : await ofImage(context, { manifest }, table, from);
  } catch (thrown) {
    const { message } = asNightjarError(thrown);
    return { why: `the newest schema cannot be read (${message})` };
  }
}

async function newestMoment(context: Context, database: string) {
  try {
    const { to } = await windowOf(context, database);
    return await momentAt(context, database, to);
  } catch (thrown) {
    if (asNightjarError(thrown).code === "MOMENT_UNAVAILABLE") return undefined;
    throw thrown;
  }
}

async function ofImage(
  context: Context,
  stored: Stored,
  table: string,
  from: string,
): Promise<Known> {
  const image = await openImage(await storedPages(context, stored));
  try {
    const tables = await image.rows(
      "SELECT name FROM sqlite_schema WHERE type = 'table'",
      (row) => row.text(0) ?? "",
    );
    if (!tables.some((name) => lowerName(name) === lowerName(table)))
      return { from, tables, columns: [] };
    const columns = await image.rows(
      "SELECT name FROM pragma_table_xinfo(?1)",
      (row) => row.text(0) ?? "",
      [{ text: encode(table) }],
    );
    return { from, tables, columns };
  } finally {
    image.close();
  }
}

/** Read a dump up to the statement that creates the table. */
async function ofDump(
  context: Context,
  manifest: Manifest,
  table: string,
  from: string,
): Promise<Known> {
  const tables = manifest.tables.map(({ name }) => name);
  if (!tables.some((name) => lowerName(name) === lowerName(table)))
    return { from, tables, columns: [] };
  let columns: readonly string[] | undefined;
  const scanner = new SqlScanner(({ bytes }) => {
    const { does, name } = readSqlHead(bytes);
    if (does === "create-table" && lowerName(name) === lowerName(table))
      columns = readColumns(decode(bytes)).map((column) => column.name);
  }, MAX_CREATE);
  for await (const chunk of await dumpText(context, manifest, [])) {
    scanner.push(chunk);
    if (columns !== undefined) break;
  }
  return { from, tables, columns };
}
