import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { isMarkerName } from "../../format/tables/restore-marker.ts";
import { rowidName } from "../../format/tables/rowid.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { Value } from "../../libsql/hrana-messages.ts";
import type { Source } from "../../libsql/server.ts";
import { runStatements } from "../run-statements.ts";

/** A foreign key of a table. */
export interface ForeignKey {
  readonly table: string;
  readonly parent: string;
  readonly from: readonly string[];
  /** The columns of the parent; its primary key if none are named. */
  readonly to: readonly string[] | undefined;
}

/** A table of a target, as far as rows are written to it. */
export interface TargetTable {
  readonly name: string;
  /** The columns that hold data. */
  readonly columns: readonly string[];
  /** The declared primary key in its order; the rowid where none is declared. */
  readonly key: readonly string[];
  /** The same as SQL. */
  readonly keySql: readonly string[];
  readonly triggers: readonly string[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Foreign keys that refer to this table, its own among them. */
  readonly references: readonly ForeignKey[];
}

/**
 * Read what a target says of a table, at one moment.
 *
 * @returns undefined if there is no such table
 * @throws NightjarError `TARGET_UNFIT` for a virtual table, one whose rows have no key that a statement can
 *   name, and a target that a restore is not done with; as `runStatements`
 */
export async function readTargetTable(
  target: Source,
  deps: Deps,
  wanted: string,
): Promise<TargetTable | undefined> {
  const args = [wanted];
  const [, tables, columns, triggers, own, others] = await runStatements(target, deps, [
    { sql: "BEGIN" },
    { sql: "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'" },
    { sql: "SELECT name, hidden, pk FROM pragma_table_xinfo(?)", args },
    {
      sql: "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?)",
      args,
    },
    {
      sql: `SELECT ?, id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq`,
      args: [wanted, wanted],
    },
    {
      sql: `SELECT m.name, f.id, f."table", f."from", f."to" FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f
        WHERE m.type = 'table' AND lower(f."table") = lower(?) ORDER BY m.name, f.id, f.seq`,
      args,
    },
    { sql: "ROLLBACK" },
  ]);
  if (tables!.some(([name]) => isMarkerName(String(name))))
    throw new NightjarError(
      "TARGET_UNFIT",
      "The target has the mark of a restore that is not done.",
      { hint: "Wait for its end, or run that restore again." },
    );
  const table = tables!.find(([name]) => lowerName(String(name)) === lowerName(wanted));
  if (table === undefined) return undefined;
  const name = String(table[0]);
  const all = columns!.map(([column]) => String(column));
  const key = columns!
    .filter(([, , place]) => Number(place) > 0)
    .toSorted(([, , a], [, , b]) => Number(a) - Number(b))
    .map(([column]) => String(column));
  const rowid = rowidName(all);
  if (Number(table[1]) === 0 || (key.length === 0 && rowid === undefined))
    throw new NightjarError(
      "TARGET_UNFIT",
      `Rows of ${name} cannot be written one by one: it is a virtual table, or its rows have no key.`,
    );
  return {
    name,
    columns: columns!
      .filter(([, hidden]) => Number(hidden) === 0)
      .map(([column]) => String(column)),
    key: key.length > 0 ? key : [rowid!],
    keySql: key.length > 0 ? key.map(quoteName) : [rowid!],
    triggers: triggers!.map(([trigger]) => String(trigger)),
    foreignKeys: foreignKeysOf(own!),
    references: foreignKeysOf(others!),
  };
}

/** Read foreign keys from rows of: its table, its number there, its parent, a column, a column of the parent. */
function foreignKeysOf(rows: readonly (readonly Value[])[]): ForeignKey[] {
  return [...Map.groupBy(rows, ([table, id]) => `${String(id)} ${String(table)}`).values()].map(
    (parts) => {
      const [table, , parent] = parts[0]!;
      const to = parts.map((part) => part[4]).filter((column) => column !== null);
      return {
        table: String(table),
        parent: String(parent),
        from: parts.map((part) => String(part[3])),
        to: to.length < parts.length ? undefined : to.map(String),
      };
    },
  );
}
