import { closeSync, openSync, readSync } from "node:fs";
import { asNightjarError, messageOf } from "../../errors/errors.ts";
import { readDatabaseHeader } from "../../format/pages/database-header.ts";
import { isOwn } from "../../format/tables/rows.ts";
import { checkIntegrity, integrityWords, type SchemaText } from "../../format/tables/integrity.ts";
import { tursoOnly, tursoOnlyNames } from "../../format/tables/turso-only.ts";
import { isRandomRowid, isVectorIndex } from "../../format/sql/libsql-schema.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { startOf } from "../../format/dump/statement.ts";
import { schemaFault, type SchemaType } from "../../format/sql/schema-statement.ts";
import { lowerName } from "../../format/tables/selection.ts";
import { shadowOwners } from "../../format/sql/shadow-tables.ts";
import { readSqlHead } from "../../format/sql/head.ts";
import { moduleOf } from "../../format/sql/virtual-module.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Database } from "../sqlite/database.ts";
import { openGuarded } from "../sqlite/open-guarded.ts";
import type { Found, RestoreOptions } from "../restore/options.ts";

/** The checks that a restored file passed. */
export interface Checked {
  readonly integrity: "ok" | "not checked";
  /** Rows that were counted, and compared with the backup's where it has counts; null without --verify. */
  readonly rows: number | null;
  readonly words: string;
  readonly notes: string[];
}

/**
 * Let SQLite check a restored file, with `verify` to the last index entry and row. Rows that break a rule
 * of their own schema, as they did at the source, and what this SQLite lacks are notes. A file that only
 * libSQL or Turso's engine opens is not checked, and the notes say so.
 *
 * @param leftOut statements that only libSQL can run, which the file was made without
 * @throws CliError `failed` when SQLite finds it damaged, or a table has not the rows that it should have;
 *   with the code `SOURCE_MVCC`, `SOURCE_ENCRYPTED` or `PAGES_INVALID` for a file that is not SQLite's
 */
export async function checkFile(
  file: string,
  found: Pick<Found, "tables" | "erasures">,
  options: Pick<RestoreOptions, "verify" | "schemaOnly" | "tables">,
  leftOut: readonly string[] = [],
): Promise<Checked> {
  refuseForeign(file);
  const database = await openGuarded(file, "read");
  try {
    const { foreign, turso, faulty } = readNames(database);
    if (foreign.length > 0 || turso !== undefined) {
      const who = turso ?? `Only libSQL can check what it alone has: ${foreign.join(", ")}.`;
      const notes = [who, ...faulty];
      return { integrity: "not checked", rows: null, words: "Not checked by SQLite.", notes };
    }
    const schema = readSchema(database);
    const check = options.verify ? "integrity_check" : "quick_check";
    const integrity = await checkIntegrity(
      async (sql) =>
        database
          .prepare(sql)
          .all()
          .map((row) => String(Object.values(row)[0])),
      check,
      schema,
    );
    const { damage } = integrity;
    if (damage.length > 0)
      throw failed(`SQLite finds the file damaged: ${damage.slice(0, 3).join("; ")}`);
    const told = integrityWords(integrity);
    const notes = told === undefined ? [] : [`SQLite's ${check}: ${told}.`];
    if (!options.verify)
      return {
        integrity: "ok",
        rows: null,
        words: "SQLite finds it sound.",
        notes: [...notes, ...faulty],
      };
    const rows = options.schemaOnly
      ? 0
      : countRows(database, schema, found, options, vectorTables(leftOut));
    return {
      integrity: "ok",
      rows,
      words: `SQLite finds it sound; ${rows} rows.`,
      notes: [...notes, ...faulty],
    };
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw failed(`SQLite cannot read the file: ${messageOf(error)}`);
  } finally {
    database.close();
  }
}

/**
 * Return a note for people about a database file that only Turso's engine opens; undefined for any other, and
 * where the schema cannot be read: the file is kept in any case.
 */
export async function tursoOnlyNote(file: string): Promise<string | undefined> {
  let database: Database | undefined;
  try {
    database = await openGuarded(file, "read");
    return readNames(database).turso;
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}

/** SQLite itself would only say of such a file that it is no database. An empty one is. */
export function refuseForeign(file: string): void {
  const start = firstBytes(file);
  if (start.length === 0) return;
  try {
    readDatabaseHeader(start);
  } catch (thrown) {
    const { code, message, hint } = asNightjarError(thrown);
    throw new CliError(EXIT.failed, message, { code, hint });
  }
}

/** The first bytes of a file, as many as a database's header has. */
function firstBytes(file: string): Uint8Array {
  const start = new Uint8Array(100);
  const handle = openSync(file, "r");
  try {
    return start.subarray(0, readSync(handle, start));
  } finally {
    closeSync(handle);
  }
}

/** Names and words about the objects of a schema. */
interface Names {
  /** Those that only libSQL reads. */
  readonly foreign: string[];
  /** A note about those that only Turso's engine reads; undefined if there are none. */
  readonly turso: string | undefined;
  /** Notes about those whose text holds more than themselves. */
  readonly faulty: string[];
}

function readNames(database: Database): Names {
  // With this pragma SQLite goes on after a statement of the schema that it cannot parse.
  database.exec("PRAGMA writable_schema=ON");
  const schema = readSchema(database);
  const foreign = schema
    .filter(({ type, sql }) =>
      type === "index" ? isVectorIndex(sql ?? "") : type === "table" && isRandomRowid(sql ?? ""),
    )
    .map(({ name }) => name);
  const objects = tursoOnly(schema);
  const unread = new Set(objects.map(({ name }) => name));
  const faulty = schema.flatMap(({ type, name, sql }) => {
    const isPlain = sql !== null && !unread.has(name);
    const fault = isPlain ? schemaFault(type as SchemaType, sql) : undefined;
    const what = startOf(encode(`${type} ${name}`));
    return fault === undefined
      ? []
      : [
          `The text of the ${what} in the schema is not one CREATE statement (${fault}): load SQL that other tools make of this file only with \`sqlite3 -safe\`.`,
        ];
  });
  database.exec("PRAGMA writable_schema=RESET");
  const turso =
    objects.length === 0
      ? undefined
      : `sqlite3 cannot open the file, tursodb can: it has ${tursoOnlyNames(objects)}. Its bytes were checked. Its pages, indexes and rows were not checked by SQLite.`;
  return { foreign, turso, faulty };
}

function readSchema(database: Database): SchemaText[] {
  return database
    .prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")
    .all()
    .map(({ type, name, tbl_name: table, sql }) => ({
      type: String(type),
      name: String(name),
      table: String(table),
      sql: sql === null ? null : String(sql),
    }));
}

/** The tables, in lower case, in which libSQL keeps vector indexes that were left out. */
function vectorTables(leftOut: readonly string[]): Set<string> {
  const indexes = leftOut
    .map((sql) => readSqlHead(encode(sql)))
    .filter(({ does }) => does === "create-index");
  const names = indexes.map(({ name }) => lowerName(`${name}_shadow`));
  return new Set(names.length === 0 ? [] : [...names, "libsql_vector_meta_shadow"]);
}

function countRows(
  database: Database,
  schema: readonly SchemaText[],
  { tables, erasures }: Pick<Found, "tables" | "erasures">,
  options: Pick<RestoreOptions, "tables">,
  absent: ReadonlySet<string>,
): number {
  const fewer = new Set(erasures.map(({ table }) => table.toLowerCase()));
  const chosen = options.tables?.map((name) => name.toLowerCase());
  const shadows = shadowOwners(schema);
  const counted =
    tables ??
    schema
      .filter(
        ({ type, name, sql }) =>
          type === "table" &&
          !lowerName(name).startsWith("sqlite_") &&
          moduleOf(sql ?? "") === undefined &&
          !shadows.has(name),
      )
      .map(({ name }) => ({ name, rows: undefined }));
  let total = 0;
  for (const { name, rows } of counted) {
    if (rows === null || isOwn(name) || absent.has(lowerName(name))) continue;
    if (chosen !== undefined && !chosen.includes(name.toLowerCase())) continue;
    const quoted = `"${name.replaceAll('"', '""')}"`;
    const found = Number(
      database.prepare(`SELECT count(*) AS n FROM ${quoted} NOT INDEXED`).get()!["n"],
    );
    if (rows !== undefined && (fewer.has(name.toLowerCase()) ? found > rows : rows !== found))
      throw failed(`The table ${name} has ${found} rows, and the backup ${rows}`);
    total += found;
  }
  return total;
}

function failed(message: string): CliError {
  return new CliError(EXIT.failed, `${message}.`, {
    hint: "Nothing was kept. Run the command again; if it stays so, choose another backup.",
  });
}
