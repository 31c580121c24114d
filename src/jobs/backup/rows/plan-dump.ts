import type { Warning } from "../../../format/dump/inspector.ts";
import { OWN_TABLE } from "../../../format/dump/statement.ts";
import { quoteName } from "../../../format/sql/quote.ts";
import { hasWord } from "../../../format/sql/tokens.ts";
import { EVERYTHING } from "../../../format/tables/selection.ts";
import { restoredSchemaRow } from "../../../format/dump/schema-row.ts";
import type { ColumnRow, RowCatalog } from "../../../source/rows/catalog.ts";
import type { Column } from "../../../sqlite/columns.ts";
import { type RowPlan, rowPlanOf } from "../../../sqlite/sql/write-rows.ts";
import { endStatement } from "../../../sqlite/sql/write-sql.ts";
import { refuseUnsafe, writtenText } from "../../../sqlite/sql/written-schema.ts";
import { describeTables, type SchemaObject, type Table } from "../../../sqlite/tables.ts";
import { withoutTursoFeatures } from "./turso-features.ts";

/** A table whose rows are read, and the SQL around them. */
export interface PlannedTable {
  readonly name: string;
  /** Statements before its rows. */
  readonly before: string;
  /** The start of each row's INSERT, up to its values. */
  readonly insert: string;
  readonly plan: RowPlan;
}

/** The SQL of a whole database, but for its rows. */
export interface DumpPlan {
  readonly head: string;
  /** In the order in which they are read and written. */
  readonly tables: readonly PlannedTable[];
  readonly tail: string;
  readonly warnings: readonly Warning[];
}

/**
 * Plan the SQL of a database whose rows are read from its server: in the order and the form of sqld's own
 * dump, of which the same readers check both. Statements of libSQL alone stay as they are.
 *
 * @throws NightjarError `SCHEMA_UNSAFE` for a schema that would run something where it is loaded,
 *   `ROWS_UNAVAILABLE` for what SQLite has not
 */
export function planDump(catalog: RowCatalog): DumpPlan {
  const { schema, warnings } = withoutTursoFeatures(catalog.schema as readonly SchemaObject[]);
  const tables = describeTables(schema);
  refuseUnsafe(schema, tables, EVERYTHING);
  const stored = tables.filter(({ kind }) => kind !== "internal" && kind !== "vector-shadow");
  const planned: PlannedTable[] = [];
  let before = "";
  for (const table of stored) {
    if (table.kind === "virtual") {
      before += virtualSql(table);
      continue;
    }
    const plan = planOf(catalog, table);
    if (plan.hiddenRowids) warnings.push(hiddenRowids(table.name));
    before += endStatement(writtenText(table, namesOf(catalog, table.name)));
    planned.push(plannedTable(table.name, quoteName(table.name), before, plan));
    before = "";
  }
  // Rows are written as they are, and a CHECK may be younger than they.
  const checked = stored.some(({ kind, sql }) => kind !== "virtual" && hasWord(sql ?? "", "CHECK"));
  if (checked) before += "PRAGMA ignore_check_constraints=OFF;\n";
  for (const { name } of tables.filter(isKept)) {
    const plan = ownPlan(catalog, name);
    const begin = name === "sqlite_sequence" ? "DELETE FROM sqlite_sequence;\n" : ANALYZE;
    planned.push(plannedTable(name, name, before + begin, plan));
    before = "";
  }
  const virtual = stored.some(({ kind }) => kind === "virtual");
  return {
    head:
      HEAD +
      (virtual ? "PRAGMA writable_schema=ON;\n" : "") +
      (checked ? "PRAGMA ignore_check_constraints=ON;\n" : ""),
    tables: planned,
    tail:
      before +
      tailOf(catalog, schema, tables) +
      (virtual ? "PRAGMA writable_schema=OFF;\n" : "") +
      "COMMIT;\n",
    warnings,
  };
}

const HEAD = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";
const ANALYZE = "ANALYZE sqlite_schema;\n";

/** SQLite's own tables whose rows are kept. sqlite_stat4 is left out: few builds have it, others refuse it. */
function isKept({ name }: Table): boolean {
  return OWN_TABLE.test(name) && (name === "sqlite_sequence" || name === "sqlite_stat1");
}

function plannedTable(name: string, into: string, before: string, plan: RowPlan): PlannedTable {
  const { columns } = plan;
  return { name, before, insert: `INSERT INTO ${into}(${columns.join(",")}) VALUES(`, plan };
}

function planOf(catalog: RowCatalog, table: Table): RowPlan {
  const columns = (catalog.columns.get(table.name) ?? []).map(columnOf);
  return rowPlanOf(table, columns, catalog.keyIndexed.has(table.name));
}

function ownPlan(catalog: RowCatalog, name: string): RowPlan {
  const names = namesOf(catalog, name);
  const columns = name === "sqlite_sequence" ? ["rowid", ...names] : names;
  return { columns, names, hiddenRowids: false, rules: [] };
}

const KINDS = ["stored", "hidden", "generated", "generated"] as const;

function columnOf({ hidden, ...column }: ColumnRow): Column {
  return { ...column, kind: KINDS[hidden]! };
}

function namesOf({ columns }: RowCatalog, table: string): string[] {
  return (columns.get(table) ?? []).map(({ name }) => name);
}

/**
 * Return the row that makes a virtual table, as a dump has it. Its shadow tables follow as tables, with
 * their rows: these are exact also for what cannot be read back through the virtual table.
 */
function virtualSql({ name, sql }: Table): string {
  return `${restoredSchemaRow(name, sql!)}\n`;
}

function tailOf(
  catalog: RowCatalog,
  schema: readonly SchemaObject[],
  tables: readonly Table[],
): string {
  const derived = new Set(
    tables.filter(({ kind }) => kind === "vector-shadow").map(({ name }) => name),
  );
  const of = (type: SchemaObject["type"]) =>
    schema
      .filter((object) => object.type === type && object.sql !== null && !derived.has(object.table))
      .map((object) => endStatement(writtenText(object, namesOf(catalog, object.table))))
      .join("");
  const pragma = (name: string, value: number) => (value === 0 ? "" : `PRAGMA ${name}=${value};\n`);
  return (
    of("index") +
    of("view") +
    of("trigger") +
    pragma("user_version", catalog.userVersion) +
    pragma("application_id", catalog.applicationId)
  );
}

function hiddenRowids(where: string): Warning {
  return {
    ...{ code: "ROWIDS_NOT_KEPT", where, count: 1 },
    message:
      "No statement can set the rowids of this table, as its columns take all of their names: they are given anew. Only pages keep them.",
  };
}
