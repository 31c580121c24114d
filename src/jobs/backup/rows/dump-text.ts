import { encode } from "../../../format/bytes/bytes.ts";
import type { Warning } from "../../../format/dump/inspector.ts";
import type { SqlValue } from "../../../format/rows/json-value.ts";
import type { RowEvent } from "../../../source/rows/read-tables.ts";
import { ValueCells } from "../../../sqlite/sql/cells.ts";
import { fits } from "../../../sqlite/sql/column-rule.ts";
import { SqlOutput } from "../../../sqlite/sql/sql-output.ts";
import type { DumpPlan, PlannedTable } from "./plan-dump.ts";

/** Bytes of SQL that are collected before they are passed on. */
const CHUNK = 64 * 1024;

/** Writes a database as the SQL of a plan, with the rows as they come. */
export class DumpText {
  readonly #plan: DumpPlan;
  readonly #output = new SqlOutput();
  readonly #cells = new ValueCells();
  /** The number of rows of each table that a load changes or refuses. */
  readonly #misfits = new Map<string, number>();

  constructor(plan: DumpPlan) {
    this.#plan = plan;
  }

  /**
   * Yield the SQL in chunks of about 64 KiB, or of one row if that is larger.
   *
   * @throws whatever `events` throws
   */
  async *write(events: AsyncIterable<RowEvent>): AsyncIterable<Uint8Array> {
    const { head, tables, tail } = this.#plan;
    let table: PlannedTable | undefined;
    yield encode(head);
    for await (const event of events) {
      if ("table" in event) {
        table = tables[event.table]!;
        this.#output.write(table.before);
      } else
        for (const row of event.rows) {
          this.#row(table!, row);
          if (this.#output.length >= CHUNK) yield this.#output.take();
        }
    }
    this.#output.write(tail);
    yield this.#output.take();
  }

  /** Return the warnings of the plan and of the rows so far. */
  warnings(): Warning[] {
    const misfits = [...this.#misfits].map(([where, count]): Warning => {
      const message =
        "Rows have values that their own columns would refuse or change, as columns were altered after them. The SQL has these values as they are: only a load changes them. Pages keep them.";
      return { code: "VALUES_MISFIT", where, count, message };
    });
    return [...this.#plan.warnings, ...misfits];
  }

  #row({ name, insert, plan: { rules } }: PlannedTable, values: readonly SqlValue[]): void {
    const output = this.#output;
    const cells = this.#cells;
    cells.values = values;
    output.write(insert);
    let fit = true;
    for (let at = 0; at < values.length; at++) {
      if (at > 0) output.ascii(",");
      output.value(cells, at);
      const rule = rules[at];
      fit &&= rule === undefined || fits(cells, at, rule);
    }
    output.ascii(");\n");
    if (!fit) this.#misfits.set(name, (this.#misfits.get(name) ?? 0) + 1);
  }
}
