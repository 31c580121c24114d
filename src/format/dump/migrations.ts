import { createdColumns } from "../sql/created-columns.ts";
import { insertedRow } from "../sql/literal.ts";

/** A table in which a migration tool records what it has applied. */
export interface MigrationTable {
  readonly name: string;
  /** The column that names a migration best. */
  readonly column: string;
  /** The columns that order the migrations: the first one that is not NULL counts. */
  readonly order: readonly string[];
}

const KNOWN: readonly MigrationTable[] = [
  { name: "__drizzle_migrations", column: "hash", order: ["created_at", "id"] },
  { name: "_prisma_migrations", column: "migration_name", order: ["finished_at", "started_at"] },
  { name: "knex_migrations", column: "name", order: ["id"] },
  { name: "schema_migrations", column: "version", order: ["version"] }, // Rails
  { name: "django_migrations", column: "name", order: ["id"] },
  { name: "d1_migrations", column: "name", order: ["id"] }, // Wrangler
  { name: "alembic_version", column: "version_num", order: ["version_num"] },
  { name: "_sqlx_migrations", column: "description", order: ["version"] },
  { name: "__diesel_schema_migrations", column: "version", order: ["version"] },
];

/** Characters of a name at most, as it goes into every list of backups; a longer one is cut. */
const LONGEST = 200;

export function findMigrationTable(name: string): MigrationTable | undefined {
  return KNOWN.find((table) => table.name === name);
}

/** Finds the newest migration among the rows of a migrations table, in any order. */
export class NewestMigration {
  readonly #table: MigrationTable;
  #newest: { name: string; rank: string } | undefined;

  constructor(table: MigrationTable) {
    this.#table = table;
  }

  get table(): string {
    return this.#table.name;
  }

  /**
   * The naming column of the newest row, or all of its values with commas between them if that column is
   * missing or NULL; undefined if there is no row.
   */
  get name(): string | undefined {
    return this.#newest?.name;
  }

  /** Take in a row. Of rows that are equally new, the later one counts. */
  add(columns: readonly string[], values: readonly (string | null)[]): void {
    const valueOf = (column: string): string | null =>
      values[columns.indexOf(column)]?.slice(0, LONGEST) ?? null;
    const rank = this.#table.order.map(valueOf).find((value) => value !== null) ?? "";
    if (this.#newest !== undefined && isLess(rank, this.#newest.rank)) return;
    const name = valueOf(this.#table.column) ?? values.map((value) => value ?? "NULL").join(",");
    this.#newest = { name: name.slice(0, LONGEST), rank };
  }

  /** Take in the INSERT of a row of a dump. @param create the table's CREATE statement */
  addInsert(create: string, insert: string): void {
    const row = insertedRow(insert);
    this.add(row?.columns ?? createdColumns(create), row?.values ?? []);
  }
}

/** Return true if `a` comes before `b`: numbers first and by value, all else by its characters. */
function isLess(a: string, b: string): boolean {
  const [one, other] = [digitsOf(a), digitsOf(b)];
  if (one === undefined || other === undefined) return one === other ? a < b : other === undefined;
  return one.length === other.length ? one < other : one.length < other.length;
}

/** Return a whole number without leading zeros; undefined for anything else. */
function digitsOf(text: string): string | undefined {
  return /^0*([0-9]+)$/.exec(text)?.[1];
}
