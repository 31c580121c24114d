import { NightjarError } from "../errors.ts";
import { encode } from "../format/bytes.ts";
import { isVectorIndex, withoutRandomRowid } from "../format/libsql-schema.ts";
import { isWhole, type Selection, EVERYTHING, selects } from "../format/selection.ts";
import { SqlScanner } from "../format/sql-scanner.ts";
import type { Image } from "./image.ts";
import { quoteName, quoteText } from "./sql-text.ts";
import { readSchema, readTables, type SchemaObject, type Table } from "./tables.ts";
import { planRows, type RowPlan, writeRows } from "./write-rows.ts";

/**
 * Who is to read the SQL. Both know what the other does not:
 *
 * - `sqlite`: any SQLite from 3.40 on. What only libSQL can do stands in comments (`-- needs libSQL: …`).
 * - `libsql`: a libSQL server, through Hrana's `sequence` too, which refuses ANALYZE and `application_id`
 *   (`-- needs SQLite: …`).
 */
export type SqlTarget = "sqlite" | "libsql";

/**
 * The whole database as SQL, in the order in which it loads: tables with their rows, virtual tables with
 * the content of their shadow tables, AUTOINCREMENT's counters, indexes, statistics, views, triggers.
 * Values keep type and bytes, rows keep their rowids. Memory stays at one chunk of about 64 KiB, or one
 * row where that is larger; each chunk holds whole statements.
 *
 * @throws NightjarError `OBJECT_CORRUPT`, `FORMAT_UNAVAILABLE` for a database that is not UTF-8; the page
 *   reader's own
 */
export async function* writeSql(
  image: Image,
  target: SqlTarget = "sqlite",
): AsyncGenerator<Uint8Array> {
  await refuseOtherText(image);
  // The head and the end are those of sqld's own dump, so that the same readers can check both.
  yield encode("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
  yield* writeStatements(image, target, EVERYTHING);
  yield encode("COMMIT;\n");
}

/**
 * What is selected of the database, as `writeSql` does but without its transaction: for whoever sends
 * the statements in transactions of its own. Only rows go into tables that are there already.
 *
 * @throws NightjarError as `writeSql`
 */
export async function* writeSelected(
  image: Image,
  target: SqlTarget,
  selection: Selection,
): AsyncGenerator<Uint8Array> {
  await refuseOtherText(image);
  yield* writeStatements(image, target, selection);
}

async function refuseOtherText(image: Image): Promise<void> {
  const [encoding] = await image.rows("PRAGMA encoding", (row) => row.text(0));
  if (encoding === "UTF-8") return;
  throw new NightjarError(
    "FORMAT_UNAVAILABLE",
    `The database's text is ${encoding}, and SQL is written for UTF-8 only.`,
  );
}

async function* writeStatements(
  image: Image,
  target: SqlTarget,
  selection: Selection,
): AsyncGenerator<Uint8Array> {
  const schema = await readSchema(image);
  const all = await readTables(image, schema);
  const tables = all.filter(({ name, owner }) => selects(selection, owner ?? name));
  const of = (type: SchemaObject["type"]) =>
    selection.schema ? schema.filter((object) => object.type === type) : [];
  const whole = selection.tables === undefined;

  for (const table of tables)
    if (table.kind === "table" || table.kind === "without-rowid")
      yield* writeTable(image, table, target, selection);
  if (selection.rows && tables.some(({ kind }) => kind === "shadow")) yield encode(DEFENSIVE);
  for (const table of tables)
    if (table.kind === "virtual") yield* writeVirtual(image, table, tables, selection);
  if (selection.rows) yield* writeSequence(image, all, tables, whole);
  const derived = new Set(all.filter(({ kind }) => kind === "vector-shadow").map(byName));
  for (const index of of("index"))
    if (index.sql !== null && !derived.has(index.table) && selects(selection, index.table))
      yield encode(indexSql(index.sql, target));
  if (isWhole(selection)) yield* writeStatistics(image, all, target);
  if (whole) for (const view of of("view")) yield encode(statement(view.sql!));
  for (const trigger of of("trigger"))
    if (selects(selection, trigger.table)) yield encode(statement(trigger.sql!));
  if (whole && selection.schema) yield* writePragmas(image, target);
}

const byName = ({ name }: Table): string => name;

async function* writeTable(
  image: Image,
  table: Table,
  target: SqlTarget,
  { schema, rows }: Selection,
): AsyncGenerator<Uint8Array> {
  const plan = await planRows(image, table);
  let create = statement(table.sql!);
  if (table.randomRowid && target === "sqlite")
    create = note("needs libSQL", table.sql!) + statement(withoutRandomRowid(table.sql!));
  if (plan.hiddenRowids)
    create += note("rowids not kept, as columns take all of their names", table.name);
  if (schema) yield encode(create);
  if (rows) yield* writeRows(image, table.name, plan);
}

/**
 * A virtual table makes its shadow tables by itself; their content is then replaced by the stored one,
 * which is exact also for what cannot be read back through the table, such as FTS5 without content.
 */
async function* writeVirtual(
  image: Image,
  table: Table,
  tables: readonly Table[],
  { schema, rows }: Selection,
): AsyncGenerator<Uint8Array> {
  if (schema) yield encode(statement(table.sql!));
  if (!rows) return;
  for (const shadow of tables) {
    if (shadow.kind !== "shadow" || shadow.owner !== table.name) continue;
    yield encode(`DELETE FROM ${quoteName(shadow.name)};\n`);
    yield* writeRows(image, shadow.name, await planRows(image, shadow));
  }
}

/** With this option SQLite lets nobody write what a virtual table keeps its content in. */
const DEFENSIVE =
  "-- What follows needs a connection without SQLITE_DBCONFIG_DEFENSIVE; in node:sqlite that is { defensive: false }.\n";

const SEQUENCE: RowPlan = { columns: ["rowid", "name", "seq"], hiddenRowids: false };
/** A name that is free in all likelihood, for a table that is dropped at once. */
const SCRATCH = '"nightjar makes sqlite_sequence"';

/** AUTOINCREMENT's counters, which the INSERTs before have set to what they saw. */
async function* writeSequence(
  image: Image,
  all: readonly Table[],
  selected: readonly Table[],
  whole: boolean,
): AsyncGenerator<Uint8Array> {
  if (!all.some(({ name }) => name === "sqlite_sequence")) return;
  const counted = selected.filter(({ sql }) => /\bautoincrement\b/i.test(sql ?? "")).map(byName);
  if (!whole && counted.length === 0) return;
  // The table comes with the first AUTOINCREMENT and stays when the last one is dropped.
  if (counted.length === 0)
    yield encode(
      `CREATE TABLE ${SCRATCH}(a INTEGER PRIMARY KEY AUTOINCREMENT);\nDROP TABLE ${SCRATCH};\n`,
    );
  const where = whole ? "" : ` WHERE name IN (${counted.map(quoteText).join(",")})`;
  yield encode(`DELETE FROM sqlite_sequence${where};\n`);
  yield* writeRows(image, "sqlite_sequence", SEQUENCE, where);
}

/** What ANALYZE found. sqlite_stat4 is left out: few builds of SQLite have it, and the others refuse it. */
async function* writeStatistics(
  image: Image,
  tables: readonly Table[],
  target: SqlTarget,
): AsyncGenerator<Uint8Array> {
  const statistics = tables.filter(({ name }) => /^sqlite_stat\d$/.test(name));
  if (statistics.length === 0) return;
  if (target === "libsql") {
    yield encode(note("needs SQLite", "ANALYZE"));
    return;
  }
  yield encode("ANALYZE sqlite_master;\n");
  for (const table of statistics) {
    if (table.name !== "sqlite_stat1") {
      yield encode(note("left out, ANALYZE makes it again", table.name));
      continue;
    }
    yield encode("DELETE FROM sqlite_stat1;\n");
    yield* writeRows(image, table.name, await planRows(image, table));
  }
}

async function* writePragmas(image: Image, target: SqlTarget): AsyncGenerator<Uint8Array> {
  for (const name of ["user_version", "application_id"]) {
    const [value] = await image.rows(`PRAGMA ${name}`, (row) => Number(row.integer(0)));
    if (value === 0) continue;
    const sql = `PRAGMA ${name}=${value}`;
    yield encode(
      name === "application_id" && target === "libsql" ? note("needs SQLite", sql) : `${sql};\n`,
    );
  }
}

function indexSql(sql: string, target: SqlTarget): string {
  return target === "sqlite" && isVectorIndex(sql) ? note("needs libSQL", sql) : statement(sql);
}

/** The object's own text, ended: on a line of its own, as the text may end in a comment. */
function statement(sql: string): string {
  const line = sql.includes("--") ? `${sql}\n;\n` : `${sql};\n`;
  if (!sql.includes("/*")) return line;
  const scanner = new SqlScanner(() => undefined);
  scanner.push(encode(line));
  return scanner.complete ? line : `${sql}*/;\n`;
}

/** One SQL statement, or a name, as comments. */
function note(what: string, sql: string): string {
  return `-- ${what}: ${sql.replaceAll(/\r\n?|\n/g, "\n-- ")};\n`;
}
