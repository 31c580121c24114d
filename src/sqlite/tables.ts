import { isVectorIndex, tableOptions, type TableOptions } from "../format/sql/libsql-schema.ts";
import { SchemaSize } from "../format/tables/schema-size.ts";
import { lowerName } from "../format/tables/selection.ts";
import { isKnownModule, shadowOwners } from "../format/sql/shadow-tables.ts";
import { moduleOf } from "../format/sql/virtual-module.ts";
import type { Image } from "./engine/image.ts";

/** A row of sqlite_schema, as the database has it. */
export interface SchemaObject {
  readonly type: "table" | "index" | "view" | "trigger";
  readonly name: string;
  readonly table: string;
  /** 0 for an object without a b-tree of its own. */
  readonly rootpage: number;
  /** null for the indexes that SQLite makes by itself. */
  readonly sql: string | null;
}

export type TableKind =
  | "table"
  | "without-rowid"
  /** Made with CREATE VIRTUAL TABLE; its rows are stored in its shadow tables. */
  | "virtual"
  /** Made by a virtual table's module, to hold its content. */
  | "shadow"
  /** Contains what libSQL derives for its vector indexes. */
  | "vector-shadow"
  /** SQLite's own: sqlite_sequence, sqlite_stat1, … */
  | "internal";

export interface Table extends SchemaObject, TableOptions {
  readonly kind: TableKind;
  /** The virtual table that a shadow table belongs to. */
  readonly owner: string | null;
}

/**
 * Read every object of the schema, in the order in which they were made.
 *
 * @throws NightjarError `SCHEMA_TOO_LARGE`
 */
export function readSchema(image: Image): Promise<SchemaObject[]> {
  const size = new SchemaSize();
  return image.rows(
    "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema ORDER BY rowid",
    (row) => {
      size.add(row.size(1) + row.size(2) + row.size(4));
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

/**
 * Return the tables of a schema, and the kind of each, from their text alone. `PRAGMA table_list` would
 * prepare every view, and with views of views of views SQLite would answer no other query.
 */
export function describeTables(schema: readonly SchemaObject[]): Table[] {
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
      const virtual = isVirtual(table);
      const options = virtual ? NO_OPTIONS : tableOptions(table.sql ?? "");
      const owner = virtual ? null : (owners.get(table.name) ?? null);
      const kind: TableKind = lower.startsWith("sqlite_")
        ? "internal"
        : virtual
          ? "virtual"
          : owner !== null
            ? "shadow"
            : vectorShadows.has(lower)
              ? "vector-shadow"
              : options.withoutRowid
                ? "without-rowid"
                : "table";
      return { ...table, ...options, kind, owner };
    });
}

const NO_OPTIONS: TableOptions = { withoutRowid: false, strict: false, randomRowid: false };

/** Return true if it is a virtual table of a module that Nightjar does not know and a reader may lack. */
export function isForeign({ kind, sql }: Table): boolean {
  return kind === "virtual" && !isKnownModule(moduleOf(sql ?? "") ?? "");
}

function isVirtual({ sql, rootpage }: SchemaObject): boolean {
  return rootpage === 0 && moduleOf(sql ?? "") !== undefined;
}
