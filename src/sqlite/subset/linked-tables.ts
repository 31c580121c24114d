import { NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { readCollation, readTableDefinition } from "../../format/sql/column-definitions.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { tokenReader } from "../../format/sql/tokens.ts";
import type { Place, Subset } from "../../format/masks/subset.ts";
import { lowerName } from "../../format/tables/selection.ts";
import { readColumns } from "../columns.ts";
import type { Image } from "../engine/image.ts";
import { affinityOf } from "../sql/column-rule.ts";
import { planRows } from "../sql/write-rows.ts";
import type { Table } from "../tables.ts";

/** A column, and how SQLite compares its values. */
export interface LinkedColumn {
  /** Its name as SQL. */
  readonly sql: string;
  /** A declared type that has its affinity. */
  readonly type: string;
  readonly collation: string;
}

/** A table whose rows a subset can choose. */
export interface LinkedTable {
  readonly name: string;
  /** The columns that identify a row; none if no statement can name its rowid. */
  readonly key: readonly LinkedColumn[];
  /** By name, in lower case; the rowid by those of its names that no column has. */
  readonly columns: ReadonlyMap<string, LinkedColumn>;
}

/** A foreign key: each column of `from` refers to the one of `to` at the same place. */
export interface Link {
  readonly child: LinkedTable;
  readonly from: readonly LinkedColumn[];
  readonly parent: LinkedTable;
  readonly to: readonly LinkedColumn[];
}

const TYPES = { integer: "INTEGER", numeric: "NUMERIC", real: "REAL", text: "TEXT" } as const;

/** Read the columns and the key of each table, by its name in lower case. */
export async function readLinkedTables(
  image: Image,
  tables: readonly Table[],
): Promise<Map<string, LinkedTable>> {
  const linked = new Map<string, LinkedTable>();
  for (const table of tables)
    linked.set(lowerName(table.name), await readLinkedTable(image, table));
  return linked;
}

async function readLinkedTable(image: Image, table: Table): Promise<LinkedTable> {
  const { name, kind, strict, sql } = table;
  const collations = new Map(
    readTableDefinition(sql ?? "").columns.map((column) => [
      lowerName(tokenReader(column.name)().text),
      readCollation(column),
    ]),
  );
  const shown = (await readColumns(image, name)).filter((column) => column.kind !== "hidden");
  const columns = new Map(
    shown.map((column): [string, LinkedColumn] => {
      const lower = lowerName(column.name);
      const affinity = affinityOf(column.type, strict);
      const type = TYPES[affinity as keyof typeof TYPES] ?? "BLOB";
      const collation = collations.get(lower) ?? "BINARY";
      return [lower, { sql: quoteName(column.name), type, collation }];
    }),
  );
  if (kind === "without-rowid") {
    const names = await keyNames(image, name);
    return { name, columns, key: names.map((column) => columns.get(lowerName(column))!) };
  }
  const plan = kind === "virtual" ? undefined : await planRows(image, table);
  const rowid = plan === undefined ? "rowid" : (plan.rowid ?? plan.lateRowid);
  if (rowid === undefined) return { name, columns, key: [] };
  const key = { sql: rowid, type: "INTEGER", collation: "BINARY" };
  for (const alias of ["rowid", "_rowid_", "oid"]) if (!columns.has(alias)) columns.set(alias, key);
  return { name, columns, key: [key] };
}

/** Return the names of the columns of a primary key, in its order. */
function keyNames(image: Image, table: string): Promise<string[]> {
  return image.rows(
    "SELECT name FROM pragma_table_xinfo(?1) WHERE pk > 0 ORDER BY pk",
    (row) => row.text(0) ?? "",
    [{ text: encode(table) }],
  );
}

/**
 * Read the foreign keys between tables: those that the schema declares, and those of the subset. One that
 * names a table or a column that is not among the tables links nothing.
 *
 * @param tables by name, in lower case
 * @param known names of all tables in lower case, also of those whose rows are not given
 * @returns also the references of the subset whose tables or columns the database does not have
 */
export async function readLinks(
  image: Image,
  tables: ReadonlyMap<string, LinkedTable>,
  { references }: Subset,
  known: ReadonlySet<string>,
): Promise<{ links: Link[]; unused: string[] }> {
  const links: Link[] = [];
  for (const child of tables.values()) links.push(...(await declaredLinks(image, child, tables)));
  const unused: string[] = [];
  const find = ({ table, column }: Place) => tables.get(table)?.columns.get(column);
  for (const { from, to } of references) {
    const [own, other] = [find(from), find(to)];
    if (own !== undefined && other !== undefined)
      links.push({
        ...{ child: tables.get(from.table)!, from: [own] },
        ...{ parent: tables.get(to.table)!, to: [other] },
      });
    else if (![from, to].some(({ table }) => known.has(table) && !tables.has(table)))
      unused.push(`${from.table}.${from.column} = ${to.table}.${to.column}`);
  }
  return { links, unused };
}

async function declaredLinks(
  image: Image,
  child: LinkedTable,
  tables: ReadonlyMap<string, LinkedTable>,
): Promise<Link[]> {
  const columns = await image.rows(
    'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?1) ORDER BY id, seq',
    (row) => ({
      id: Number(row.integer(0)),
      table: row.text(1) ?? "",
      from: row.text(2) ?? "",
      to: row.text(3),
    }),
    [{ text: encode(child.name) }],
  );
  const links: Link[] = [];
  for (const of of Map.groupBy(columns, ({ id }) => id).values()) {
    const parent = tables.get(lowerName(of[0]!.table));
    if (parent === undefined) continue;
    // Without names, it refers to the primary key.
    const names = of.some(({ to }) => to === null)
      ? await keyNames(image, parent.name)
      : of.map(({ to }) => to!);
    const from = of.map((column) => child.columns.get(lowerName(column.from)));
    const to = names.map((name) => parent.columns.get(lowerName(name)));
    if (from.length === to.length && isWhole(from) && isWhole(to))
      links.push({ child, from, parent, to });
  }
  return links;
}

function isWhole(columns: readonly (LinkedColumn | undefined)[]): columns is LinkedColumn[] {
  return !columns.includes(undefined);
}

/**
 * Find the tables that links connect with one, itself included.
 *
 * @throws NightjarError `SANITIZE_SUBSET` for one whose rows no statement can name
 */
export function connectedWith(root: LinkedTable, links: readonly Link[]): Set<LinkedTable> {
  const connected = new Set([root]);
  // A Set is also gone through where it grows meanwhile.
  for (const table of connected)
    for (const { child, parent } of links) {
      if (child === table) connected.add(parent);
      if (parent === table) connected.add(child);
    }
  for (const { name, key } of connected)
    if (key.length === 0)
      throw new NightjarError(
        "SANITIZE_SUBSET",
        `No statement can name single rows of the table ${name}: its columns have all names of the rowid.`,
        { hint: `Give none of it: ${JSON.stringify(lowerName(name))} = "drop" in the rules.` },
      );
  return connected;
}
