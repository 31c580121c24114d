import { isRandomRowid, isVectorIndex } from "../format/libsql-schema.ts";
import { lowerName } from "../format/selection.ts";
import { isKnownModule, shadowsOf } from "../format/shadow-tables.ts";
import { moduleOf } from "../format/virtual-module.ts";
import type { Image } from "./image.ts";

/** A row of sqlite_schema, as the database has it. */
export interface SchemaObject {
  readonly type: "table" | "index" | "view" | "trigger";
  readonly name: string;
  readonly table: string;
  /** 0 for what has no b-tree of its own. */
  readonly rootpage: number;
  /** null for the indexes that SQLite makes by itself. */
  readonly sql: string | null;
}

export type TableKind =
  | "table"
  | "without-rowid"
  /** Made with CREATE VIRTUAL TABLE; its rows stand in its shadow tables. */
  | "virtual"
  /** Made by a virtual table's module, to hold its content. */
  | "shadow"
  /** Holds what libSQL derives for its vector indexes. */
  | "vector-shadow"
  /** SQLite's own: sqlite_sequence, sqlite_stat1, … */
  | "internal";

export interface Table extends SchemaObject {
  readonly kind: TableKind;
  readonly withoutRowid: boolean;
  readonly strict: boolean;
  /** Its rowids are drawn at random, which libSQL alone does. */
  readonly randomRowid: boolean;
  /** The virtual table that a shadow table belongs to. */
  readonly owner: string | null;
}

/** Every object of the schema, in the order in which it was made. */
export function readSchema(image: Image): Promise<SchemaObject[]> {
  return image.rows(
    "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid",
    (row) => {
      const name = row.text(1) ?? "";
      return {
        type: row.text(0) as SchemaObject["type"],
        name,
        table: row.text(2) ?? "",
        rootpage: Number(row.integer(3)),
        sql: image.originals.get(name) ?? row.text(4),
      };
    },
  );
}

/** The tables of a schema, and what each of them is. */
export async function readTables(image: Image, schema: readonly SchemaObject[]): Promise<Table[]> {
  const options = await image.rows(
    "SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main' AND (wr = 1 OR strict = 1)",
    (row) => ({ name: row.text(0) ?? "", wr: row.integer(1) === 1, strict: row.integer(2) === 1 }),
  );
  const withoutRowid = new Set(options.filter(({ wr }) => wr).map(({ name }) => name));
  const strict = new Set(options.filter((table) => table.strict).map(({ name }) => name));
  const owners = shadowOwners(schema);
  const vectorShadows = new Set(
    schema
      .filter(({ type, sql }) => type === "index" && isVectorIndex(sql ?? ""))
      .map(({ name }) => lowerName(`${name}_shadow`)),
  );
  if (vectorShadows.size > 0) vectorShadows.add("libsql_vector_meta_shadow");
  return schema
    .filter(({ type }) => type === "table")
    .map((table) => {
      const lower = lowerName(table.name);
      const owner = isVirtual(table) ? null : (owners.get(table.name) ?? null);
      const kind: TableKind = lower.startsWith("sqlite_")
        ? "internal"
        : isVirtual(table)
          ? "virtual"
          : owner !== null
            ? "shadow"
            : vectorShadows.has(lower)
              ? "vector-shadow"
              : withoutRowid.has(table.name)
                ? "without-rowid"
                : "table";
      return {
        ...table,
        kind,
        owner,
        withoutRowid: withoutRowid.has(table.name),
        strict: strict.has(table.name),
        randomRowid: isRandomRowid(table.sql ?? ""),
      };
    });
}

/** Whether it is a virtual table of a module that Nightjar does not know, and a reader need not have. */
export function isForeign({ kind, sql }: Table): boolean {
  return kind === "virtual" && !isKnownModule(moduleOf(sql ?? "") ?? "");
}

function isVirtual({ sql, rootpage }: SchemaObject): boolean {
  return rootpage === 0 && moduleOf(sql ?? "") !== undefined;
}

/** The virtual table of each shadow table, by the shadow's name. */
function shadowOwners(schema: readonly SchemaObject[]): Map<string, string> {
  const owners = new Map<string, string>();
  for (const { name, sql } of schema)
    for (const suffix of shadowsOf(sql ?? "")) owners.set(`${name}_${suffix}`, name);
  return owners;
}
