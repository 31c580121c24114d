import { insertedValues } from "./sql-literal.ts";

/** A table in which a migration tool records what it has applied. */
export interface MigrationTable {
  readonly name: string;
  /** The column that names a migration best. */
  readonly column: string;
}

const KNOWN: readonly MigrationTable[] = [
  { name: "__drizzle_migrations", column: "hash" },
  { name: "_prisma_migrations", column: "migration_name" },
  { name: "knex_migrations", column: "name" },
  { name: "schema_migrations", column: "version" }, // Rails
];

export function findMigrationTable(name: string): MigrationTable | undefined {
  return KNOWN.find((table) => table.name === name);
}

/**
 * What the last row of a migrations table names: the value of its naming column, or all values with
 * commas between them when the column cannot be found.
 *
 * @param create the table's CREATE statement
 * @param insert the INSERT of its last row
 */
export function newestMigration(table: MigrationTable, create: string, insert: string): string {
  const values = insertedValues(insert) ?? [];
  const named = /^INSERT INTO \S+\(([^)]*)\) VALUES/.exec(insert)?.[1]?.split(",");
  const columns = (named ?? createdColumns(create)).map((name) =>
    name.replaceAll(/^["'`[]|["'`\]]$/g, ""),
  );
  return values[columns.indexOf(table.column)] ?? values.map((value) => value ?? "NULL").join(",");
}

/** The first word of each comma-separated definition in a CREATE TABLE, as it is written. */
export function createdColumns(create: string): string[] {
  const definitions = create.slice(create.indexOf("(") + 1).split(",");
  return definitions.map((definition) => definition.trim().split(/\s/)[0] ?? "");
}
