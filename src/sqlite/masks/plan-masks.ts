import { NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { Masker } from "../../format/masks/mask.ts";
import type { Rule, Rules } from "../../format/masks/rule.ts";
import { fullTextOf } from "../../format/sql/full-text.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { moduleOf } from "../../format/sql/virtual-module.ts";
import { isMarker } from "../../format/tables/restore-marker.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { Image } from "../engine/image.ts";
import { describeTables, readSchema, type Table } from "../tables.ts";
import { type KeptTable, planSubset } from "../subset/plan-subset.ts";
import { MASK, registerMask } from "./mask-function.ts";
import { type Column, readColumns } from "../columns.ts";

/** How a table is given: its rows masked, no rows, or rows that the reader derives from other tables. */
type Given = "rows" | "dropped" | "derived";

/** A column whose values are not given as they are; `path` if that is only a part of each. */
export interface MaskedColumn {
  readonly table: string;
  readonly name: string;
  readonly path?: readonly (string | number)[];
}

/** What is given of a database in place of its values. */
export interface MaskPlan {
  /** Return the SQL expression in place of a column's values; undefined for the values as they are. */
  readonly expression: (table: string, column: string) => string | undefined;
  readonly given: (table: string) => Given;
  /** True if the rows of a table are given, and no column of its key is masked. */
  readonly keepsKey: (table: string) => boolean;
  /** Return an SQL expression that is true for the rows of a table that are given; undefined for all. */
  readonly where: (table: string) => string | undefined;
  /** The rows that a subset keeps of each table that it chooses from; undefined without a subset. */
  readonly subset: readonly KeptTable[] | undefined;
  readonly masked: readonly MaskedColumn[];
  /** Rules of tables and columns that the database does not have, as `table` or `table.column`. */
  readonly unused: readonly string[];
}

/** Names that an error lists at most. */
const MOST_NAMED = 20;

/**
 * Find what the rules make of each column of a database, and register the function that does it.
 *
 * @param key the secret under which masks are made
 * @throws NightjarError `SANITIZE_RULES` for a column or a table without a rule, or with one that cannot be;
 *   `SANITIZE_UNSAFE` for a virtual table whose content cannot be masked; as `planSubset`; the image's
 */
export async function planMasks(image: Image, rules: Rules, key: string): Promise<MaskPlan> {
  const compiled: Rule[] = [];
  const expressions = new Map<string, string>();
  const given = new Map<string, Given>();
  const masked: MaskedColumn[] = [];
  const keyed = new Set<string>();
  const unused = new Set<string>();
  for (const [table, columns] of rules.tables)
    if (columns === "drop") unused.add(table);
    else for (const column of columns.keys()) unused.add(`${table}.${column}`);
  const missing: string[] = [];
  const wrong: string[] = [];

  const tables = describeTables(await readSchema(image));
  const withRows: Table[] = [];
  for (const table of tables) {
    if (!["table", "without-rowid", "virtual"].includes(table.kind)) continue;
    const lower = lowerName(table.name);
    const own = rules.tables.get(lower);
    const isDropped = own === "drop" || isMarker(table);
    const columns = await columnsOf(image, table);
    if (isDropped) {
      unused.delete(lower);
      given.set(lower, "dropped");
      for (const { name } of columns) masked.push({ table: table.name, name });
      continue;
    }
    if (table.kind === "virtual" && isDerived(table)) {
      given.set(lower, "derived");
      continue;
    }
    given.set(lower, "rows");
    withRows.push(table);
    const ruled = columns.map((column) => {
      const place = `${lower}.${lowerName(column.name)}`;
      const rule = own?.get(lowerName(column.name));
      if (column.kind === "generated") return { column, rule: undefined };
      unused.delete(place);
      if (rule === undefined && !rules.keepUnknown) missing.push(`${table.name}.${column.name}`);
      const mistake = rule && mistakeOf(rule, column, table);
      if (mistake !== undefined) wrong.push(`${table.name}.${column.name} ${mistake}`);
      return { column, rule: rule?.kind === "keep" ? undefined : rule };
    });
    if (!ruled.some(({ column, rule }) => column.key && rule !== undefined)) keyed.add(lower);
    const isMasked = ruled.some(({ rule }) => rule !== undefined);
    for (const { column, rule } of ruled) {
      const { name, kind } = column;
      // It is computed again from what is masked, and held what is not to be seen.
      if (kind === "generated" && isMasked) masked.push({ table: table.name, name });
      if (rule === undefined) continue;
      const path = rule.kind === "json" ? { path: rule.path } : {};
      masked.push({ table: table.name, name, ...path });
      expressions.set(
        `${lower}.${lowerName(name)}`,
        `${MASK}(${compiled.length},${quoteName(name)})`,
      );
      compiled.push(rule);
    }
    wrong.push(...(await notUnique(image, table, own ?? new Map<string, Rule>())));
  }
  if (missing.length > 0)
    throw refused(`${listed(missing)} ${missing.length === 1 ? "has" : "have"} no rule.`);
  if (wrong.length > 0) throw refused(`The rule of ${listed(wrong)}.`);
  const subset = rules.subset && (await planSubset(image, tables, withRows, rules.subset));
  await image.exclusive(async (engine) => registerMask(engine, new Masker(key), compiled));
  return {
    expression: (table, column) => expressions.get(`${lowerName(table)}.${lowerName(column)}`),
    given: (table) => given.get(lowerName(table)) ?? "dropped",
    keepsKey: (table) => keyed.has(lowerName(table)),
    where: (table) => subset?.where(table),
    subset: subset?.tables,
    masked,
    unused: [...unused, ...(subset?.unused ?? [])],
  };
}

/** Return the columns of a table, and the rowid of a full-text index, to which other tables refer. */
async function columnsOf(image: Image, { name, kind, sql }: Table): Promise<Column[]> {
  if (kind === "virtual" && !isOwnIndex(sql ?? "")) return [];
  const columns = (await readColumns(image, name)).filter((column) => column.kind !== "hidden");
  if (kind !== "virtual") return columns;
  return [{ name: "rowid", type: "INTEGER", notNull: true, key: true, kind: "stored" }, ...columns];
}

/** Return true for a full-text index with rows of its own that can be read, and so masked. */
function isOwnIndex(sql: string): boolean {
  return lowerName(moduleOf(sql) ?? "") === "fts5" && fullTextOf(sql)?.own === true;
}

/**
 * Return true for a virtual table without content of its own: it reads another table's.
 *
 * @throws NightjarError `SANITIZE_UNSAFE` for one whose content cannot be masked
 */
function isDerived({ name, sql }: Table): boolean {
  const module = lowerName(moduleOf(sql ?? "") ?? "");
  if (module === "fts5vocab") return true;
  if (isOwnIndex(sql ?? "")) return false;
  const index = module === "fts5" ? fullTextOf(sql ?? "") : undefined;
  if (index !== undefined && index.content !== "") return true;
  throw new NightjarError(
    "SANITIZE_UNSAFE",
    `The content of the virtual table ${name} (${module}) cannot be masked.`,
    { hint: `Give none of it: ${JSON.stringify(lowerName(name))} = "drop" in the rules.` },
  );
}

function mistakeOf(
  rule: Rule,
  { type, notNull, key }: Column,
  { strict }: Table,
): string | undefined {
  if (rule.kind === "null" && (notNull || key)) return "is null, and the column takes no NULL";
  const makesText = ["fixed", "fake", "json"].includes(rule.kind);
  const takesText = !strict || ["TEXT", "ANY"].includes(type.toUpperCase());
  return makesText && !takesText ? `makes text, and the column takes ${type} only` : undefined;
}

/** Find unique indexes whose columns would all get values that are not unique any more. */
async function notUnique(
  image: Image,
  { name, kind }: Table,
  own: ReadonlyMap<string, Rule>,
): Promise<string[]> {
  if (kind === "virtual") return [];
  const columns = await image.rows(
    `SELECT l.name, i.name FROM pragma_index_list(?1) l, pragma_index_xinfo(l.name) i WHERE l."unique" AND i.key`,
    (row) => ({ index: row.text(0) ?? "", column: row.text(1) }),
    [{ text: encode(name) }],
  );
  const indexes = Map.groupBy(columns, ({ index }) => index);
  return [...indexes.values()].flatMap((of) => {
    const loses = of.every(({ column }) => {
      const kindOf = column === null ? undefined : own.get(lowerName(column))?.kind;
      return kindOf === "fixed" || kindOf === "truncate" || kindOf === "json";
    });
    return loses ? [`${name}.${of[0]!.column} makes equal values, and they are unique`] : [];
  });
}

function refused(message: string): NightjarError {
  return new NightjarError("SANITIZE_RULES", message);
}

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return names.slice(0, MOST_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
