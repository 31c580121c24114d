import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import { isLibsqlOwn } from "../format/sql/own-tables.ts";
import { withoutBlanks } from "../format/sql/tokens.ts";
import { isOwn } from "../format/tables/rows.ts";
import { type Selection, selects } from "../format/tables/selection.ts";
import type { Source } from "../libsql/server.ts";
import type { Verified, Way } from "../model/restore-report.ts";
import { digestTable, isHeld } from "../sqlite/digest-tables.ts";
import type { Image } from "../sqlite/engine/image.ts";
import { hashSchema } from "../sqlite/facts.ts";
import { maskedContent } from "../sqlite/masks/digest-masks.ts";
import { withoutItsComments } from "../sqlite/masks/masked-rows.ts";
import type { MaskPlan } from "../sqlite/masks/plan-masks.ts";
import { planRows } from "../sqlite/sql/write-rows.ts";
import { writtenSql } from "../sqlite/sql/written-schema.ts";
import {
  describeTables,
  isForeign,
  readSchema,
  type SchemaObject,
  type Table,
} from "../sqlite/tables.ts";
import { digestRows } from "./digest.ts";
import { inspectTarget } from "./inspect.ts";

/** What of an image was written to a target, and how. */
export interface Comparison {
  readonly selection: Selection;
  readonly way: Way;
  /** True if the rows are to be counted and hashed too. */
  readonly rows: boolean;
  /** What was written in place of values; undefined for the values as they are. */
  readonly masks?: MaskPlan | undefined;
}

/**
 * Compare a target with the image that was written to it: the schema's statements, and, if asked for, the
 * number and the hash of the rows of every selected table.
 *
 * @param onTable is called with the number of rows that were read of a table so far
 * @returns null if no rows were compared
 * @throws NightjarError `RESTORE_DIFFERS` that names the difference; as `inspectTarget` and `digestRows`
 */
export async function compareImage(
  target: Source,
  deps: Deps,
  image: Image,
  { selection, way, rows: hashes, masks }: Comparison,
  onTable: (table: string, rows: number) => Promise<void>,
): Promise<Verified | null> {
  const read = await readSchema(image);
  const schema = masks === undefined ? read : read.map(withoutItsComments);
  const tables = describeTables(schema);
  const { objects } = await inspectTarget(target, deps);
  if (selection.schema) {
    const own = chosen(schema, tables, selection);
    const made = way === "pages" ? own : await asWritten(image, own, tables);
    const fault = schemaDifference(made, objects.filter(known));
    if (fault !== undefined) throw differs(`its schema has another text: ${fault}`);
  }
  if (!hashes || !selection.rows) return null;
  let total = 0;
  let count = 0;
  for (const table of tables) {
    if (!isSelected(selection, table)) continue;
    const content = await (masks === undefined
      ? contentOf(image, table, selection)
      : maskedContent(image, table, masks));
    if (content === undefined) continue;
    const [before, after] = await Promise.all([
      content.digest(),
      digestRows(
        target,
        deps,
        table.name,
        content.columns,
        (rows) => onTable(table.name, rows),
        masks === undefined ? "list" : "set",
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

/** Return what a table holds; undefined for one that a restore need not bring back. */
async function contentOf(image: Image, table: Table, selection: Selection) {
  if (!isHeld(table)) return undefined;
  // The counters of the other tables stay as they were.
  if (table.name === "sqlite_sequence" && selection.tables !== undefined) return undefined;
  const { columns } = await planRows(image, table);
  return { columns, digest: () => digestTable(image, table) };
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

/** Make the error for a target that is not what was written to it. */
export function differs(what: string): NightjarError {
  return new NightjarError("RESTORE_DIFFERS", `The target is not what was restored: ${what}.`);
}
