import { NightjarError } from "../../../errors/errors.ts";
import type { Warning } from "../../../format/dump/inspector.ts";
import { indexMethod, INTERNAL, plainView } from "../../../format/tables/turso-only.ts";
import type { SchemaObject } from "../../../sqlite/tables.ts";

/** Internal tables that hold only what the engine derives: of MVCC, materialized views, full-text indexes. */
const DERIVED = ["mvcc_meta", "dbsp_state_", "fts_dir_"].map((name) => INTERNAL + name);

/**
 * Return a schema without what only Turso's own engine has and SQLite has not. What it derives is left
 * out: internal tables, the stored rows of materialized views, which become plain views, and indexes of
 * its own methods.
 *
 * @throws NightjarError `ROWS_UNAVAILABLE` for custom types and internal tables of unknown features: rows
 *   do not have all of these
 */
export function withoutTursoFeatures(schema: readonly SchemaObject[]): {
  schema: SchemaObject[];
  warnings: Warning[];
} {
  const warnings: Warning[] = [];
  const kept: SchemaObject[] = [];
  for (const object of schema) {
    const { type, name, table, sql } = object;
    if (table.startsWith(INTERNAL)) {
      if (!DERIVED.some((prefix) => table.startsWith(prefix))) refuse(table);
      continue;
    }
    const plain = type === "view" ? plainView(sql ?? "") : undefined;
    if (plain !== undefined) {
      kept.push({ ...object, rootpage: 0, sql: plain });
      warnings.push(warning(name, "The materialized view is in the backup as a plain view."));
    } else if (type === "index" && indexMethod(sql ?? "") !== undefined)
      warnings.push(warning(name, `The index is left out: ${sql!.slice(0, 500)}`));
    else kept.push(object);
  }
  return { schema: kept, warnings };
}

function warning(where: string, what: string): Warning {
  const message = `${what} Only Turso's own engine has such a one: create it again after a restore.`;
  return { code: "FEATURE_LEFT_OUT", where, count: 1, message };
}

function refuse(table: string): never {
  const types = table.startsWith(`${INTERNAL}types`);
  throw new NightjarError(
    "ROWS_UNAVAILABLE",
    types
      ? "The database has custom types, whose stored values SQL does not give."
      : `The database has the internal table ${table}, of a feature that Nightjar does not know.`,
  );
}
