import { quoteName } from "../../format/sql/quote.ts";
import { fits } from "../sql/column-rule.ts";
import { SqlOutput } from "../sql/sql-output.ts";
import type { RowVisitor } from "./merge-rows.ts";
import type { RowReader } from "./row-reader.ts";
import { keyPlaces, type Shape } from "./shape.ts";

/** Bytes of SQL that are collected before they are passed on. */
const CHUNK = 64 * 1024;

/**
 * Columns by which an INSERT or an UPDATE can meet another row; `all` if that may depend on every column.
 */
export type UniqueColumns = ReadonlySet<string> | "all";

/**
 * Writes the statements that make the rows of a table what they are afterwards.
 *
 * They may be run in any order, and a statement may meet a row that is still as it was. An UPDATE leaves out
 * all columns by which it could. Everything else replaces whole rows: what a REPLACE deletes beside its own
 * row conflicts with a row of the later state, so it is not part of that state, and is removed or replaced by
 * a statement of its own.
 */
export class RowStatements implements RowVisitor {
  /** Rows that were left out, as the table would refuse or change them. */
  left = 0;
  readonly #output = new SqlOutput();
  readonly #shape: Shape;
  readonly #unique: UniqueColumns;
  readonly #only: "fit" | "misfit";
  readonly #places: readonly number[];
  /** The statement that the last row can be added to. */
  #open: string | undefined;

  /** @param only `fit` leaves out rows that the table would refuse or change; `misfit` writes only those */
  constructor(shape: Shape, unique: UniqueColumns, only: "fit" | "misfit") {
    this.#shape = shape;
    this.#unique = unique;
    this.#only = only;
    this.#places = keyPlaces(shape);
  }

  get full(): boolean {
    return this.#output.length >= CHUNK;
  }

  /** Return whole statements; empty if there are none. */
  take(): Uint8Array {
    this.#close();
    return this.#output.take();
  }

  removed(before: RowReader): void {
    if (this.#only === "misfit") return;
    this.#close();
    this.#output.write(`DELETE FROM ${quoteName(this.#shape.table.name)}`);
    this.#where(before);
  }

  added(after: RowReader): void {
    if (!this.#isChosen(after)) return;
    const unique = this.#unique;
    this.#insert(unique !== "all" && unique.size === 0 ? "INSERT" : "REPLACE", after);
  }

  changed(before: RowReader, after: RowReader, columns: readonly number[]): void {
    if (!this.#isChosen(after)) return;
    const { names } = this.#shape.plan;
    const unique = this.#unique;
    const meets = (column: number) => unique === "all" || unique.has(names[column]!.toLowerCase());
    if (this.#only === "misfit" || columns.some(meets)) {
      this.#insert("REPLACE", after);
      return;
    }
    this.#close();
    this.#output.write(`UPDATE ${quoteName(this.#shape.table.name)} SET `);
    for (const [at, column] of columns.entries()) {
      this.#output.write(`${at > 0 ? "," : ""}${quoteName(names[column]!)}=`);
      this.#output.value(after.row, after.first + column);
    }
    this.#where(before);
  }

  /** Return true if the row is one of those that are written in this pass. */
  #isChosen(after: RowReader): boolean {
    const { names, rules, columns } = this.#shape.plan;
    // A rowid that no column shows comes before the columns, and has no rule.
    const hidden = columns.length - names.length;
    let fit = true;
    for (let at = 0; fit && at < names.length; at++) {
      const rule = rules[hidden + at];
      if (rule !== undefined) fit = fits(after.row, after.first + at, rule);
    }
    if (!fit && this.#only === "fit") this.left++;
    return fit === (this.#only === "fit");
  }

  #insert(verb: "INSERT" | "REPLACE", { row, first }: RowReader): void {
    const { table, plan } = this.#shape;
    const start = `${verb} INTO ${quoteName(table.name)}(${plan.columns.join(",")}) VALUES`;
    if (this.#open === start) this.#output.ascii(",\n(");
    else {
      this.#close();
      this.#output.write(`${start}\n(`);
    }
    const offset = first - (plan.columns.length - plan.names.length);
    for (let at = 0; at < plan.columns.length; at++) {
      if (at > 0) this.#output.ascii(",");
      this.#output.value(row, offset + at);
    }
    this.#output.ascii(")");
    this.#open = start;
  }

  #where({ row, first }: RowReader): void {
    const { plan } = this.#shape;
    const keys =
      first === 1
        ? [{ name: plan.rowid!, place: 0 }]
        : this.#places.map((place) => ({ name: quoteName(plan.names[place]!), place }));
    for (const [at, { name, place }] of keys.entries()) {
      this.#output.write(`${at > 0 ? " AND " : " WHERE "}${name}=`);
      this.#output.value(row, place);
    }
    this.#output.ascii(";\n");
  }

  #close(): void {
    if (this.#open !== undefined) this.#output.ascii(";\n");
    this.#open = undefined;
  }
}
