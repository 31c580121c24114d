import { encode } from "../../format/bytes/bytes.ts";
import { isVectorIndex, withoutRandomRowid } from "../../format/sql/libsql-schema.ts";
import { isWhole, type Selection, EVERYTHING, selects } from "../../format/tables/selection.ts";
import { readTableDefinition } from "../../format/sql/column-definitions.ts";
import { hasWord, lastEnd } from "../../format/sql/tokens.ts";
import { moduleOf } from "../../format/sql/virtual-module.ts";
import { brokenCheck, changeRules } from "./change-rules.ts";
import type { Image } from "../engine/image.ts";
import { textLiteral } from "./sql-output.ts";
import { quoteName, quoteText } from "../../format/sql/quote.ts";
import { describeTables, isForeign, readSchema, type SchemaObject, type Table } from "../tables.ts";
import { planRows, type RowChoice, type RowPlan, writeRows } from "./write-rows.ts";
import {
  maskedIndexRows,
  maskedRows,
  rebuildSql,
  withoutItsComments,
} from "../masks/masked-rows.ts";
import type { MaskPlan } from "../masks/plan-masks.ts";
import { refuseUnwritable, writtenSql } from "./written-schema.ts";

/**
 * The reader of the SQL. Each can do what the other cannot:
 *
 * - `sqlite`: any SQLite from 3.40 on. What only libSQL can do becomes a comment (`-- needs libSQL: …`).
 * - `libsql`: a libSQL server, also through Hrana's `sequence`. It refuses ANALYZE and `application_id`
 *   (`-- needs SQLite: …`).
 */
export type SqlTarget = "sqlite" | "libsql";

/**
 * Write the database as SQL, all of it or what is selected, in the order in which it loads: tables with their rows, virtual tables
 * with the content of their shadow tables, AUTOINCREMENT's counters, indexes, statistics, views, triggers.
 * Values keep type and bytes, rows keep their rowids. Memory stays at one chunk of about 64 KiB, or one row
 * if that is larger; each chunk holds whole statements.
 *
 * @throws NightjarError `OBJECT_CORRUPT`, `FORMAT_UNAVAILABLE` for a database that is not UTF-8,
 *   `SCHEMA_UNSAFE` for a schema that would run something where it is loaded; the page reader's own
 */
export async function* writeSql(
  image: Image,
  target: SqlTarget = "sqlite",
  selection: Selection = EVERYTHING,
  masks?: MaskPlan,
): AsyncGenerator<Uint8Array> {
  const writing = await prepareSql(image, target, selection, masks);
  // The head and the end are those of sqld's own dump, so that the same readers can check both.
  yield encode("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
  yield* writeStatements(writing);
  yield encode("COMMIT;\n");
}

/**
 * Write what is selected of the database as `writeSql` does, but without its transaction: for a caller that
 * sends the statements in transactions of its own. Without the schema, only rows are written, for tables
 * that exist already.
 */
export async function* writeSelected(
  image: Image,
  target: SqlTarget,
  selection: Selection,
  masks?: MaskPlan,
): AsyncGenerator<Uint8Array> {
  yield* writeStatements(await prepareSql(image, target, selection, masks));
}

/**
 * Refuse what `writeSelected` would refuse, before anything is written.
 */
export async function refuseSql(
  image: Image,
  selection: Selection,
  masks?: MaskPlan,
): Promise<void> {
  await prepareSql(image, "sqlite", selection, masks);
}

/** The database, the selected part of it, and the reader that it is written for. */
export interface Writing {
  readonly image: Image;
  readonly target: SqlTarget;
  readonly selection: Selection;
  readonly schema: readonly SchemaObject[];
  readonly tables: readonly Table[];
  /** What is given in place of the values; undefined for all as it is. */
  readonly masks: MaskPlan | undefined;
}

async function prepareSql(
  image: Image,
  target: SqlTarget,
  selection: Selection,
  masks?: MaskPlan,
): Promise<Writing> {
  const read = await readSchema(image);
  const schema = masks === undefined ? read : read.map(withoutItsComments);
  const tables = describeTables(schema);
  await refuseUnwritable(image, schema, tables, selection);
  return { image, target, selection, schema, tables, masks };
}

async function* writeStatements(writing: Writing): AsyncGenerator<Uint8Array> {
  const { image, target, selection, schema, tables: all, masks } = writing;
  const tables = all.filter(
    (table) =>
      selects(selection, table.owner ?? table.name) &&
      // Whoever lacks the module could not make the table, and its content is not given.
      (masks === undefined || !isForeign(table)),
  );
  const of = (type: SchemaObject["type"]) =>
    selection.schema ? schema.filter((object) => object.type === type) : [];
  const whole = selection.tables === undefined;
  // Rows are written as they are. A CHECK may be younger than they, and may run anything: so CHECKs are
  // off.
  const checked =
    target === "sqlite" &&
    selection.rows &&
    tables.some((table) => isStored(table) && hasWord(table.sql!, "CHECK"));

  if (checked) yield encode("PRAGMA ignore_check_constraints=ON;\n");
  for (const table of tables) if (isStored(table)) yield* writeTable(writing, table);
  if (checked) yield encode("PRAGMA ignore_check_constraints=OFF;\n");
  // SQLite makes views unchecked, and a virtual table's module may read one when it makes the table.
  if (whole) for (const view of of("view")) yield encode(await statement(image, view));
  if (masks === undefined && needsUnguarded(tables, selection)) yield encode(DEFENSIVE);
  const virtual = tables.filter(({ kind }) => kind === "virtual");
  for (const table of virtual)
    if (masks === undefined) yield* writeVirtual(writing, table, tables);
    else yield* writeMaskedVirtual(writing, table, masks);
  if (masks !== undefined && selection.rows)
    for (const table of virtual) yield encode(rebuildSql(table, masks));
  if (selection.rows) yield* writeSequence(writing, tables);
  const derived = new Set(all.filter(({ kind }) => kind === "vector-shadow").map(byName));
  for (const index of of("index"))
    if (index.sql !== null && !derived.has(index.table) && selects(selection, index.table))
      yield encode(await indexSql(image, index, target));
  if (isWhole(selection) && masks === undefined) yield* writeStatistics(image, all, target);
  for (const trigger of of("trigger"))
    if (selects(selection, trigger.table)) yield encode(await statement(image, trigger));
  if (whole && selection.schema) yield* writePragmas(image, target);
}

const byName = ({ name }: Table): string => name;
const isStored = ({ kind }: Table): boolean => kind === "table" || kind === "without-rowid";

function needsUnguarded(tables: readonly Table[], { rows, schema }: Selection): boolean {
  return tables.some((table) => (rows && table.kind === "shadow") || (schema && isForeign(table)));
}

export async function* writeTable(
  { image, target, selection: { schema, rows }, masks }: Writing,
  table: Table,
): AsyncGenerator<Uint8Array> {
  const own = await planRows(image, table);
  const plan = masks === undefined ? own : maskedRows(own, table, masks);
  if (schema) yield encode(await tableSql(image, table, plan, target));
  if (!rows || (masks !== undefined && masks.given(table.name) !== "rows")) return;
  const chosen = chosenRows(table, masks);
  if (!schema) {
    yield* writeRows(image, table.name, plan, chosen);
    return;
  }
  const written = await writtenSql(image, table);
  const definition = readTableDefinition(written);
  // Which rows break a CHECK once they are masked is not known here: a reader refuses them.
  const looks = target === "libsql" && masks === undefined;
  const broken = looks ? await brokenCheck(image, table, plan, definition) : {};
  const left = yield* writeRows(image, table.name, plan, { ...chosen, ...broken, only: "fit" });
  if (left === 0) return;
  yield encode(
    note("rows that its own columns would refuse or change", `${left} of ${table.name}`),
  );
  const rules = changeRules(table, written, definition.columns, target);
  yield encode(rules.loosen);
  yield* writeRows(image, table.name, plan, { ...chosen, ...broken, only: "misfit" });
  yield encode(rules.restore);
}

/** Return the choice of the rows that masks give. */
function chosenRows({ name }: Table, masks: MaskPlan | undefined): Pick<RowChoice, "where"> {
  const where = masks?.where(name);
  return where === undefined ? {} : { where: ` WHERE ${where}` };
}

async function tableSql(
  image: Image,
  table: Table,
  plan: RowPlan,
  target: SqlTarget,
): Promise<string> {
  let create = await statement(image, table);
  if (table.randomRowid && target === "sqlite") {
    const sql = withoutRandomRowid(table.sql!);
    create = note("needs libSQL", table.sql!) + (await statement(image, { ...table, sql }));
  }
  if (plan.hiddenRowids)
    create += note("rowids not kept, as columns take all of their names", table.name);
  return create;
}

/**
 * Write a virtual table. It makes its shadow tables by itself. Their content is then replaced by the stored
 * one, which is exact also for what cannot be read back through the table, such as FTS5 without content.
 */
export async function* writeVirtual(
  { image, target, selection: { schema, rows } }: Writing,
  table: Table,
  tables: readonly Table[],
): AsyncGenerator<Uint8Array> {
  if (schema) yield encode(await virtualSql(image, table, target));
  if (!rows) return;
  for (const shadow of tables) {
    if (shadow.kind !== "shadow" || shadow.owner !== table.name) continue;
    yield encode(`DELETE FROM ${quoteName(shadow.name)};\n`);
    yield* writeRows(image, shadow.name, await planRows(image, shadow));
  }
}

/**
 * Write a virtual table with masks: its rows through itself, never its shadow tables, which hold the words of
 * rows that are deleted, too.
 */
async function* writeMaskedVirtual(
  { image, target, selection: { schema, rows } }: Writing,
  table: Table,
  masks: MaskPlan,
): AsyncGenerator<Uint8Array> {
  if (schema) yield encode(await virtualSql(image, table, target));
  if (!rows || masks.given(table.name) !== "rows") return;
  const plan = await maskedIndexRows(image, table, masks);
  yield* writeRows(image, table.name, plan, chosenRows(table, masks));
}

/**
 * Write the statement of a virtual table. The tables of a module that we do not know are written as any
 * table. The virtual table itself is entered into the schema, as the sqlite3 shell's .dump does: a reader
 * that has the module finds it complete, and one that does not have it loads the rest.
 */
async function virtualSql(image: Image, table: Table, target: SqlTarget): Promise<string> {
  if (!isForeign(table)) return statement(image, table);
  const needs = note(`needs module ${moduleOf(table.sql!)}`, table.sql!);
  if (target === "libsql") return needs;
  const values = ["table", table.name, table.name].map(textLiteral).join(",");
  return `${needs}PRAGMA writable_schema=ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES(${values},0,${textLiteral(table.sql!)});
PRAGMA writable_schema=RESET;
`;
}

/** The note before statements that write to shadow tables, which SQLite refuses with this option. */
export const DEFENSIVE =
  "-- What follows needs a connection without SQLITE_DBCONFIG_DEFENSIVE; in node:sqlite that is { defensive: false }.\n";

const COUNTERS: RowPlan = {
  ...{ columns: ["name", "seq"], names: ["name", "seq"], hiddenRowids: false, rules: [] },
};
const SEQUENCE: RowPlan = { ...COUNTERS, columns: ["rowid", "name", "seq"], rowid: "rowid" };
/** A name that is very likely free, for a table that is dropped at once. */
const SCRATCH = '"nightjar makes sqlite_sequence"';

/**
 * Write AUTOINCREMENT's counters, which the INSERTs before have set to what they saw. With masks these are
 * only those of tables whose numbers are given.
 */
export async function* writeSequence(
  { image, tables: all, selection, masks }: Writing,
  selected: readonly Table[],
): AsyncGenerator<Uint8Array> {
  if (!all.some(({ name }) => name === "sqlite_sequence")) return;
  const whole = selection.tables === undefined && masks === undefined;
  const counted = selected
    .filter(
      ({ name, sql }) => hasWord(sql ?? "", "AUTOINCREMENT") && (masks?.keepsKey(name) ?? true),
    )
    .map(byName);
  if (!whole && counted.length === 0) return;
  // The table comes with the first AUTOINCREMENT and stays when the last one is dropped.
  if (counted.length === 0)
    yield encode(
      `CREATE TABLE ${SCRATCH}(a INTEGER PRIMARY KEY AUTOINCREMENT);\nDROP TABLE ${SCRATCH};\n`,
    );
  const where = whole ? "" : ` WHERE name IN (${counted.map(quoteText).join(",")})`;
  yield encode(`DELETE FROM sqlite_sequence${where};\n`);
  const numbers = masks === undefined ? where : `${where} AND typeof(seq) = 'integer'`;
  // Where other counters may be, a rowid may be taken.
  const plan = whole ? SEQUENCE : COUNTERS;
  yield* writeRows(image, "sqlite_sequence", plan, { where: numbers });
}

/** Write what ANALYZE found, without sqlite_stat4: few builds of SQLite have it, and the others refuse it. */
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

export async function indexSql(
  image: Image,
  index: SchemaObject,
  target: SqlTarget,
): Promise<string> {
  return target === "sqlite" && isVectorIndex(index.sql!)
    ? note("needs libSQL", index.sql!)
    : statement(image, index);
}

/** Return the object's own text, with its end. */
export async function statement(image: Image, object: SchemaObject): Promise<string> {
  return endStatement(await writtenSql(image, object));
}

/** Return the text of a schema object as a statement. A comment at its end is closed first. */
export function endStatement(sql: string): string {
  for (let at = lastEnd(sql); at < sql.length; at++) {
    if (sql.startsWith("--", at)) {
      const end = sql.indexOf("\n", at);
      if (end === -1) return `${sql}\n;\n`;
      at = end;
    } else if (sql.startsWith("/*", at)) {
      const end = sql.indexOf("*/", at + 2);
      if (end === -1) return `${sql}*/;\n`;
      at = end + 1;
    }
  }
  return `${sql};\n`;
}

/** Write one SQL statement, or a name, as comments: each of its lines begins like one. */
function note(what: string, sql: string): string {
  return `-- ${`${what}: ${sql}`.replaceAll(/\r\n?|\n/g, "\n-- ")};\n`;
}
