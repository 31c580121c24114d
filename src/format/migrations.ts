import { createdColumns } from "./created-columns.ts";
import { insertedRow } from "./sql-literal.ts";

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
  const row = insertedRow(insert);
  const columns = row?.columns ?? createdColumns(create);
  const values = row?.values ?? [];
  return values[columns.indexOf(table.column)] ?? values.map((value) => value ?? "NULL").join(",");
}
