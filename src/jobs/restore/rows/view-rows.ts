import type { JsonValue } from "../../../format/rows/json-value.ts";
import type { WrittenRow, WrittenTable } from "../../../target/rows/write-rows.ts";
import type { MissingParent, PlannedRows } from "./plan-rows.ts";
import { jsonOf } from "./same-value.ts";

/** Rows that are shown, and characters of them as JSON. */
const ROWS = 1000;
const CHARACTERS = 1024 * 1024;

type Named = [name: string, value: JsonValue];

/** A row that differs, as the API shows it. */
export interface RowView {
  table: string;
  change: "added" | "changed";
  key: Named[];
  values: (Named | [name: string, before: JsonValue, after: JsonValue])[];
}

/** A plan, as the API shows it. */
export function viewRows({ subject, target, tables, missing, digest }: PlannedRows) {
  const { database, backup, log, asOf } = subject;
  const { url, namespace = null } = target.server;
  const rows: RowView[] = [];
  let characters = 0;
  let rowsLeftOut = 0;
  for (const table of tables)
    for (const row of table.rows) {
      if (row.changed.length === 0) continue;
      const view = characters > CHARACTERS || rows.length >= ROWS ? undefined : viewRow(table, row);
      characters += view === undefined ? 0 : JSON.stringify(view).length;
      if (view === undefined || characters > CHARACTERS) rowsLeftOut++;
      else rows.push(view);
    }
  return {
    subject: { database, backup, log, asOf },
    target: { url, namespace, database: target.database },
    plan: digest,
    tables: tables.map((table) => ({ name: table.table.name, ...countsOf(table) })),
    rows,
    rowsLeftOut,
    missing: missing.map((one): MissingView => ({ ...one, key: one.key.map(([...pair]) => pair) })),
  };
}

type MissingView = Omit<MissingParent, "key"> & { key: Named[] };

function countsOf({ rows }: WrittenTable) {
  const count = (is: (row: WrittenRow) => boolean) => rows.filter(is).length;
  return {
    added: count(({ before }) => before === undefined),
    changed: count(({ before, changed }) => before !== undefined && changed.length > 0),
    equal: count(({ changed }) => changed.length === 0),
  };
}

function viewRow(
  { table, columns }: WrittenTable,
  { key, values, before, changed }: WrittenRow,
): RowView {
  return {
    table: table.name,
    change: before === undefined ? "added" : "changed",
    key: key.map((value, at) => [table.key[at]!, jsonOf(value)]),
    values: changed.map((at) =>
      before === undefined
        ? [columns[at]!, jsonOf(values[at]!)]
        : [columns[at]!, jsonOf(before[at]!), jsonOf(values[at]!)],
    ),
  };
}
