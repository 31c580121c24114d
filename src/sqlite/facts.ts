import { createHash } from "node:crypto";
import { isMarker } from "../format/restore-marker.ts";
import { findMigrationTable } from "../format/migrations.ts";
import type { Image } from "./image.ts";
import { quoteName } from "./sql-text.ts";
import { readSchema, readTables, type SchemaObject, type Table, type TableKind } from "./tables.ts";

export interface TableFact {
  readonly name: string;
  /** 0 for a virtual table. */
  readonly rootpage: number;
  readonly kind: TableKind;
}

/** What an image says of itself, read without its rows. */
export interface ImageFacts {
  readonly userVersion: number;
  readonly applicationId: number;
  /** SHA-256, hex: see `hashSchema`. */
  readonly schemaHash: string;
  /** The newest row of a known migrations table. */
  readonly migration: { readonly table: string; readonly name: string } | null;
  readonly tables: readonly TableFact[];
  /** Whether it is what an unfinished restore left. */
  readonly unfinished: boolean;
}

/** @throws NightjarError `OBJECT_CORRUPT`; the page reader's own */
export async function imageFacts(image: Image): Promise<ImageFacts> {
  const schema = await readSchema(image);
  const tables = await readTables(image, schema);
  return {
    userVersion: await pragma(image, "user_version"),
    applicationId: await pragma(image, "application_id"),
    schemaHash: hashSchema(schema),
    migration: await newestMigration(image, tables),
    tables: tables.map(({ name, rootpage, kind }) => ({ name, rootpage, kind })),
    unfinished: schema.some(isMarker),
  };
}

/**
 * SHA-256 over one JSON array `[type, name, tbl_name, sql]` a line, sorted by type and name in code
 * units, without what SQLite makes by itself (`sqlite_…`): equal for two databases exactly when their
 * schemas are. White space at the end of `sql` is left out, as it can change when SQL is loaded.
 */
export function hashSchema(
  schema: readonly (Pick<SchemaObject, "name" | "table" | "sql"> & { readonly type: string })[],
): string {
  const lines = schema
    .filter(({ name }) => !/^sqlite_/i.test(name))
    .map(({ type, name, table, sql }) =>
      JSON.stringify([type, name, table, sql?.trimEnd() ?? null]),
    )
    .sort();
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

/** The naming column of the last row, or all values with commas between them when it has no such column. */
async function newestMigration(
  image: Image,
  tables: readonly Table[],
): Promise<ImageFacts["migration"]> {
  for (const { name, kind } of tables) {
    const known = findMigrationTable(name);
    if (known === undefined || (kind !== "table" && kind !== "without-rowid")) continue;
    const order = kind === "table" ? "ORDER BY rowid DESC " : "ORDER BY 1 DESC ";
    const [newest] = await image.rows(`SELECT * FROM ${quoteName(name)} ${order}LIMIT 1`, (row) => {
      const places = Array.from({ length: row.columns }, (_, at) => at);
      const named = places.find((at) => row.name(at) === known.column);
      return named === undefined
        ? places.map((at) => row.text(at) ?? "NULL").join(",")
        : (row.text(named) ?? "NULL");
    });
    if (newest !== undefined) return { table: name, name: newest };
  }
  return null;
}

async function pragma(image: Image, name: string): Promise<number> {
  const [value] = await image.rows(`PRAGMA ${name}`, (row) => Number(row.integer(0)));
  return value ?? 0;
}
