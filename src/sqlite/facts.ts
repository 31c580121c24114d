import { createHash } from "node:crypto";
import { findMigrationTable, NewestMigration } from "../format/dump/migrations.ts";
import { isMarker } from "../format/tables/restore-marker.ts";
import type { TursoOnly } from "../format/tables/turso-only.ts";
import type { Image } from "./engine/image.ts";
import { quoteName } from "../format/sql/quote.ts";
import {
  readSchema,
  describeTables,
  type SchemaObject,
  type Table,
  type TableKind,
} from "./tables.ts";
import { storedNames } from "./columns.ts";

export interface TableFact {
  readonly name: string;
  /** 0 for a virtual table. */
  readonly rootpage: number;
  readonly kind: TableKind;
}

/** The facts about an image, read without its rows except those of a migrations table. */
export interface ImageFacts {
  readonly userVersion: number;
  readonly applicationId: number;
  /** SHA-256, hex: see `hashSchema`. */
  readonly schemaHash: string;
  /** The newest row of a known migrations table. */
  readonly migration: { readonly table: string; readonly name: string } | null;
  readonly tables: readonly TableFact[];
  /** True if it is what an unfinished restore left. */
  readonly unfinished: boolean;
  /** The objects that only Turso's engine reads. */
  readonly tursoOnly: readonly TursoOnly[];
}

/** @throws NightjarError `OBJECT_CORRUPT`; the page reader's own */
export async function imageFacts(image: Image): Promise<ImageFacts> {
  const schema = await readSchema(image);
  const tables = describeTables(schema);
  return {
    userVersion: await pragma(image, "user_version"),
    applicationId: await pragma(image, "application_id"),
    schemaHash: hashSchema(schema),
    migration: await newestMigration(image, tables),
    tables: tables.map(({ name, rootpage, kind }) => ({ name, rootpage, kind })),
    unfinished: schema.some(isMarker),
    tursoOnly: image.tursoOnly,
  };
}

/**
 * Hash a schema: SHA-256 over one JSON array `[type, name, tbl_name, sql]` a line, sorted by type and name
 * in code units, without the objects that SQLite makes by itself (`sqlite_…`). It is equal for two
 * databases exactly when their schemas are. White space at the end of `sql` is left out, as it can change
 * when SQL is loaded.
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

/** Rows of a migrations table that are read at most, the last ones: no honest one has as many. */
const MIGRATIONS = 20_000;

/** Find the newest migration in the known migrations tables. Only stored columns are read. */
async function newestMigration(
  image: Image,
  tables: readonly Table[],
): Promise<ImageFacts["migration"]> {
  for (const { name, kind } of tables) {
    const known = findMigrationTable(name);
    if (known === undefined || (kind !== "table" && kind !== "without-rowid")) continue;
    const stored = await storedNames(image, name);
    if (stored.length === 0) continue; // a table that only Turso's engine reads
    const isNamed = stored.includes(known.column);
    const columns = isNamed
      ? stored.filter((column) => column === known.column || known.order.includes(column))
      : stored;
    const rows = await image.rows(
      `SELECT ${columns.map((column) => `substr(${quoteName(column)}, 1, 200)`).join(",")}
       FROM ${quoteName(name)} NOT INDEXED
       ORDER BY ${kind === "table" ? "rowid" : "1"} DESC LIMIT ${isNamed ? MIGRATIONS : 1}`,
      (row) => columns.map((_, at) => row.text(at)),
    );
    const newest = new NewestMigration(known);
    for (const values of rows.toReversed()) newest.add(columns, values);
    if (newest.name !== undefined) return { table: name, name: newest.name };
  }
  return null;
}

async function pragma(image: Image, name: string): Promise<number> {
  const [value] = await image.rows(`PRAGMA ${name}`, (row) => Number(row.integer(0)));
  return value ?? 0;
}
