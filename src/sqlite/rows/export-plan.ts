import { NightjarError } from "../../errors/errors.ts";
import type { Choice } from "../../format/rows/choice.ts";
import { fullTextOf } from "../../format/sql/full-text.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { isMarker } from "../../format/tables/restore-marker.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { Image } from "../engine/image.ts";
import { affinityOf } from "../sql/column-rule.ts";
import { describeTables, isForeign, readSchema, type Table } from "../tables.ts";
import type { MaskPlan } from "../masks/plan-masks.ts";
import { keyOrder } from "./key-order.ts";
import { refuseUnpreparable } from "./refuse-unpreparable.ts";
import { readColumns } from "../columns.ts";

/** A column of an export, and the SQL expression that gives its values. */
export interface ExportColumn {
  readonly name: string;
  /** Of the row's columns; the quoted name for the value as it is. */
  readonly expression: string;
  /** True if its values are those of a column that makes a REAL of every number. */
  readonly real: boolean;
}

export interface ExportTable {
  readonly name: string;
  readonly columns: readonly ExportColumn[];
  /** The greatest number that AUTOINCREMENT has given; null for a table without it. */
  readonly sequence: number | bigint | null;
  /** The statement that reads its rows. */
  readonly select: string;
}

/** A table whose rows are not exported. */
export interface LeftOut {
  readonly name: string;
  readonly why: "content elsewhere" | "no content" | "module not known" | "not readable";
}

export interface ExportPlan {
  readonly tables: readonly ExportTable[];
  readonly leftOut: readonly LeftOut[];
}

/** Return the SQL expression to give in place of a column's values; undefined for the values as they are. */
export type Expressions = MaskPlan["expression"];

/**
 * Plan the export of rows, and refuse what cannot be exported before anything is written. Exported are
 * tables, and virtual tables that have rows of their own, full-text indexes with their rowids; not the
 * tables in which SQLite, libSQL and the modules keep what is theirs, and no generated columns.
 *
 * @throws NightjarError `REQUEST_INVALID` for a table that it does not have, `QUERY_REFUSED` for a `where`
 *   that is more than an expression of its table, `FORMAT_UNAVAILABLE` if the text is not UTF-8; the image's
 */
export async function planExport(
  image: Image,
  choice: Choice,
  masks?: MaskPlan,
): Promise<ExportPlan> {
  const expressions = masks?.expression ?? (() => undefined);
  await refuseEncoding(image);
  const all = describeTables(await readSchema(image));
  const chosen = chosenTables(all, choice);
  const dropped = chosen.filter(({ name }) => masks?.given(name) === "dropped");
  if (choice.tables !== undefined && dropped.length > 0)
    throw invalid(`The rules of \`sanitize\` give no rows of ${dropped[0]!.name}.`);
  const wanted = chosen.filter((table) => !dropped.includes(table));
  const wheres = new Map(
    Object.entries(choice.where ?? {}).map(([table, where]) => [lowerName(table), where]),
  );
  for (const table of wheres.keys())
    if (!wanted.some(({ name }) => lowerName(name) === table))
      throw invalid(`\`where\` names the table ${table}, which is not exported.`);
  const sequences = await readSequences(image, all);
  const tables: ExportTable[] = [];
  const leftOut: LeftOut[] = [];
  for (const table of wanted) {
    const { name } = table;
    const isDerived = masks?.given(name) === "derived";
    const why =
      (isDerived ? "content elsewhere" : reasonToLeaveOut(table)) ??
      (await unreadable(image, table, expressions));
    if (why !== undefined) {
      if (choice.tables !== undefined)
        throw invalid(`The rows of ${name} cannot be exported: ${why}.`);
      leftOut.push({ name, why });
      continue;
    }
    const columns = await columnsOf(image, table, expressions);
    const where = wheres.get(lowerName(name));
    const order = choice.order === "key" ? await keyOrder(image, table) : storedOrder(table);
    // A choice with masks has no `where` of its own (refuseChoice).
    const rows = masks?.where(name) ?? where;
    const select = selectOf(columns, order.from, rows) + order.by;
    await refuseUnpreparable(image, name, select, where);
    const counted = masks === undefined || masks.keepsKey(name);
    const sequence = counted ? (sequences.get(lowerName(name)) ?? null) : null;
    tables.push({ name, columns, sequence, select });
  }
  return { tables, leftOut };
}

/**
 * Refuse to choose tables that the database does not have.
 *
 * @throws NightjarError `REQUEST_INVALID`
 */
export async function refuseUnknownTables(image: Image, choice: Choice): Promise<void> {
  chosenTables(describeTables(await readSchema(image)), choice);
}

/** What a user made, and not what SQLite, libSQL, a module or Nightjar keeps for itself. */
function chosenTables(all: readonly Table[], { tables }: Choice): Table[] {
  const exported = all.filter(
    (table) => ["table", "without-rowid", "virtual"].includes(table.kind) && !isMarker(table),
  );
  if (tables === undefined) return exported;
  const names = new Set(tables.map(lowerName));
  const chosen = exported.filter(({ name }) => names.delete(lowerName(name)));
  const [missing] = names;
  if (missing !== undefined) throw invalid(`There is no table ${missing} in it.`);
  return chosen;
}

function reasonToLeaveOut(table: Table): LeftOut["why"] | undefined {
  if (isForeign(table)) return "module not known";
  const index = table.kind === "virtual" ? fullTextOf(table.sql ?? "") : undefined;
  if (index !== undefined && !index.own)
    return index.content === "" ? "no content" : "content elsewhere";
  return undefined;
}

/** Find out whether the module of a virtual table is there, and takes the table as it is. */
async function unreadable(
  image: Image,
  table: Table,
  expressions: Expressions,
): Promise<LeftOut["why"] | undefined> {
  if (table.kind !== "virtual") return undefined;
  try {
    const columns = await columnsOf(image, table, expressions);
    if (columns.length === 0) return "not readable";
    await image.rows(`${selectOf(columns, fromOf(table), undefined)} LIMIT 1`, () => undefined);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof NightjarError && thrown.code === "QUERY_FAILED") return "not readable";
    throw thrown;
  }
}

/** Return the columns that hold data: neither generated ones nor those that a module hides. */
async function columnsOf(
  image: Image,
  { name, kind, strict, sql }: Table,
  expressions: Expressions,
): Promise<ExportColumn[]> {
  const stored = (await readColumns(image, name)).filter((column) => column.kind === "stored");
  const columns = stored.map(({ name: column, type }): ExportColumn => {
    const own = expressions(name, column);
    const real = kind !== "virtual" && affinityOf(type, strict) === "real";
    return own === undefined
      ? { name: column, expression: quoteName(column), real }
      : { name: column, expression: own, real: false };
  });
  // Other tables refer to a row of a full-text index by its rowid.
  return kind === "virtual" && fullTextOf(sql ?? "") !== undefined
    ? [
        { name: "rowid", expression: expressions(name, "rowid") ?? "rowid", real: false },
        ...columns,
      ]
    : columns;
}

function selectOf(
  columns: readonly ExportColumn[],
  from: string,
  where: string | undefined,
): string {
  const list = columns.map(({ expression }) => expression).join(",");
  // A line break ends a comment that the expression may end with.
  return `SELECT ${list} FROM ${from}${where === undefined ? "" : ` WHERE (${where}\n)`}`;
}

/** An index that has all columns would otherwise give the rows in its own order. */
function fromOf({ name, kind }: Table): string {
  return quoteName(name) + (kind === "virtual" ? "" : " NOT INDEXED");
}

function storedOrder(table: Table): { from: string; by: string } {
  const byRowid = table.kind === "virtual" && fullTextOf(table.sql ?? "") !== undefined;
  return { from: fromOf(table), by: byRowid ? " ORDER BY rowid" : "" };
}

async function readSequences(
  image: Image,
  all: readonly Table[],
): Promise<Map<string, number | bigint>> {
  if (!all.some(({ name }) => name === "sqlite_sequence")) return new Map();
  const rows = await image.rows(
    "SELECT name, seq FROM sqlite_sequence WHERE typeof(seq) = 'integer'",
    (row) => [lowerName(row.text(0) ?? ""), row.integer(1)] as const,
  );
  return new Map(rows);
}

async function refuseEncoding(image: Image): Promise<void> {
  const [encoding] = await image.rows("PRAGMA encoding", (row) => row.text(0));
  if (encoding === "UTF-8") return;
  throw new NightjarError(
    "FORMAT_UNAVAILABLE",
    `The database's text is ${encoding}, and rows are written of UTF-8 only.`,
    { hint: "Ask for the database file: `db` or `db.zst`." },
  );
}

function invalid(message: string): NightjarError {
  return new NightjarError("REQUEST_INVALID", message);
}
