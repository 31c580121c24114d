import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { isLibsqlOwn } from "../../format/sql/own-tables.ts";
import { lowerName, type Selection, selects } from "../../format/tables/selection.ts";
import { withoutBlanks } from "../../format/sql/tokens.ts";
import { isOwn } from "../../format/tables/rows.ts";
import type { Verified } from "../../model/restore-report.ts";
import { digestTable, isHeld } from "../../sqlite/digest-tables.ts";
import { hashSchema } from "../../sqlite/facts.ts";
import type { Image } from "../../sqlite/engine/image.ts";
import { quoteName } from "../../format/sql/quote.ts";
import {
  describeTables,
  isForeign,
  readSchema,
  type SchemaObject,
  type Table,
} from "../../sqlite/tables.ts";
import { planRows } from "../../sqlite/sql/write-rows.ts";
import { writtenSql } from "../../sqlite/sql/written-schema.ts";
import { runStatements } from "../../target/run-statements.ts";
import { digestRows } from "../../target/digest.ts";
import { inspectTarget } from "../../target/inspect.ts";
import type { Planned } from "./plan.ts";
import { openStored } from "../../read/stored.ts";

/**
 * Compare the target with what was restored: its schema's statements, and, if asked for, the number and
 * the hash of the rows of every selected table. A dump has only the numbers.
 *
 * @returns null if no rows were compared
 * @throws NightjarError `RESTORE_DIFFERS` that names the difference; as `runStatements`
 */
export async function compareTarget(
  context: Context,
  planned: Planned,
  onTable: (table: string, rows: number) => Promise<void>,
): Promise<Verified | null> {
  const { subject, erasures } = planned;
  if ("manifest" in subject && subject.manifest.kind === "dump")
    return planned.verify && planned.selection.rows ? countTables(context, planned) : null;
  const image = await openStored(context, subject, erasures);
  try {
    return await compareImage(context, planned, image, onTable);
  } finally {
    image.close();
  }
}

async function compareImage(
  context: Context,
  planned: Planned,
  image: Image,
  onTable: (table: string, rows: number) => Promise<void>,
): Promise<Verified | null> {
  const { target, selection } = planned;
  const schema = await readSchema(image);
  const tables = describeTables(schema);
  const { objects } = await inspectTarget(target.server, context.deps);
  if (selection.schema) {
    const own = chosen(schema, tables, selection);
    const made = planned.plan.way === "pages" ? own : await asWritten(image, own, tables);
    const fault = schemaDifference(made, objects.filter(known));
    if (fault !== undefined) throw differs(`its schema has another text: ${fault}`);
  }
  if (!planned.verify || !selection.rows) return null;
  let total = 0;
  let count = 0;
  for (const table of tables) {
    if (!isHeld(table) || !isSelected(selection, table)) continue;
    // The counters of the other tables stay as they were.
    if (table.name === "sqlite_sequence" && selection.tables !== undefined) continue;
    const { columns } = await planRows(image, table);
    const [before, after] = await Promise.all([
      digestTable(image, table),
      digestRows(target.server, context.deps, table.name, columns, (rows) =>
        onTable(table.name, rows),
      ),
    ]);
    if (before.rows !== after.rows)
      throw differs(`table ${table.name} has ${after.rows} rows, not ${before.rows}`);
    if (before.sha256 !== after.sha256)
      throw differs(`table ${table.name} has other values in its ${before.rows} rows`);
    if (!isOwn(table.name)) total += after.rows;
    count++;
  }
  return { tables: count, rows: total, hashed: true };
}

/** libSQL's own table for its vector indexes is created with the first of them. */
const known = ({ table }: SchemaObject) => !isLibsqlOwn(table);

const isSelected = (selection: Selection, { name, owner }: Table) =>
  selects(selection, owner ?? name);

/** Return the objects of the schema that a restore of this selection creates. */
function chosen(
  schema: readonly SchemaObject[],
  tables: readonly Table[],
  selection: Selection,
): SchemaObject[] {
  if (selection.tables === undefined)
    return schema.filter(({ table }) => selects(selection, table)).filter(known);
  const wanted = new Set(
    tables.filter((table) => isSelected(selection, table)).map(({ name }) => name),
  );
  // A vector index keeps its vectors in a table of its own, which is created with it.
  const indexed = schema.filter(({ type, table }) => type === "index" && wanted.has(table));
  for (const { name } of indexed) wanted.add(`${name}_shadow`);
  return schema.filter(({ type, table }) => type !== "view" && wanted.has(table)).filter(known);
}

/** Return the objects as SQL creates them: without virtual tables of modules that the server may lack. */
function asWritten(
  image: Image,
  schema: readonly SchemaObject[],
  tables: readonly Table[],
): Promise<SchemaObject[]> {
  const foreign = new Set(tables.filter(isForeign).map(({ name }) => name));
  return Promise.all(
    schema
      .filter(({ type, name }) => type !== "table" || !foreign.has(name))
      .map(async (object) =>
        object.sql === null ? object : { ...object, sql: await writtenSql(image, object) },
      ),
  );
}

/**
 * Return the difference of two schemas; undefined if they are the same. A table whose rules were
 * removed and added again may have lost comments and white space.
 */
function schemaDifference(
  before: readonly SchemaObject[],
  after: readonly SchemaObject[],
): string | undefined {
  if (hashSchema(before) === hashSchema(after)) return undefined;
  const bare = (schema: readonly SchemaObject[]) =>
    schema.map((object) =>
      object.type === "table" && object.sql !== null
        ? { ...object, sql: withoutBlanks(object.sql) }
        : object,
    );
  const [had, has] = [bare(before), bare(after)];
  return hashSchema(had) === hashSchema(has) ? undefined : firstOther(had, has);
}

/** Return the first object that only one of the two schemas has. */
function firstOther(before: readonly SchemaObject[], after: readonly SchemaObject[]): string {
  const line = ({ type, name, table, sql }: SchemaObject) =>
    JSON.stringify([type, name, table, sql?.trimEnd() ?? null]);
  const [had, has] = [new Set(before.map(line)), new Set(after.map(line))];
  const other =
    before.find((object) => !isOwn(object.name) && !has.has(line(object))) ??
    after.find((object) => !isOwn(object.name) && !had.has(line(object)));
  return other === undefined ? "in its order" : `${other.type} ${other.name}`;
}

async function countTables(
  context: Context,
  { target, plan, erasures }: Planned,
): Promise<Verified> {
  // The rows of a virtual table are those of its shadow tables.
  const counted = plan.tables.flatMap(({ name, rows }) => (rows === null ? [] : [{ name, rows }]));
  const answers = await runStatements(
    target.server,
    context.deps,
    counted.map(({ name }) => ({ sql: `SELECT count(*) FROM ${quoteName(name)}` })),
  );
  let total = 0;
  counted.forEach(({ name, rows }, at) => {
    const found = Number(answers[at]![0]![0]);
    const fewer = erasures.some(({ table }) => lowerName(table) === lowerName(name));
    if (fewer ? found > rows : found !== rows)
      throw differs(`table ${name} has ${found} rows, not ${rows}`);
    total += found;
  });
  return { tables: counted.length, rows: total, hashed: false };
}

function differs(what: string): NightjarError {
  return new NightjarError("RESTORE_DIFFERS", `The target is not what was restored: ${what}.`);
}
