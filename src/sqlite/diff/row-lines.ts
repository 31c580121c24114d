import { encode } from "../../format/bytes/bytes.ts";
import { readValue } from "../engine/value.ts";
import type { Comparison } from "./comparison.ts";
import type { RowVisitor } from "./merge-rows.ts";
import type { RowReader } from "./row-reader.ts";
import { keyPlaces } from "./shape.ts";
import { compareTables, type Summary } from "./summarize.ts";

/** Characters of lines that are collected before they are passed on. */
const CHUNK = 64 * 1024;

/**
 * Write the rows that differ, each as a line of JSON `{"row": {…}}`, as model/diff-line.ts has it.
 *
 * @returns the summary
 * @throws NightjarError as `compareRows`
 */
export async function* writeRowLines(comparison: Comparison): AsyncGenerator<Uint8Array, Summary> {
  const lines = new RowLines();
  const steps = compareTables(comparison, lines);
  for (;;) {
    const step = await steps.next();
    const text = lines.take();
    if (text !== "") yield encode(text);
    if (step.done === true) return step.value;
  }
}

class RowLines implements RowVisitor {
  #text = "";

  get full(): boolean {
    return this.#text.length > CHUNK;
  }

  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }

  added(after: RowReader): void {
    this.#add("added", after, wholeRow(after));
  }

  removed(before: RowReader): void {
    this.#add("removed", before, wholeRow(before));
  }

  changed(before: RowReader, after: RowReader, columns: readonly number[]): void {
    const old = before.shape.plan.names.map((name) => name.toLowerCase());
    const values = columns.map((at) => {
      const name = after.shape.plan.names[at]!;
      const place = before.first + old.indexOf(name.toLowerCase());
      return [name, readValue(before.row, place), readValue(after.row, after.first + at)];
    });
    this.#add("changed", before, values);
  }

  #add(change: string, reader: RowReader, values: readonly unknown[]): void {
    const { table } = reader.shape;
    const row = { table: table.name, change, key: keyOf(reader), values };
    this.#text += `${JSON.stringify({ row })}\n`;
  }
}

function wholeRow({ shape, row, first }: RowReader): unknown[] {
  return shape.plan.names.map((name, at) => [name, readValue(row, first + at)]);
}

/** Return what identifies a row: names and values. */
function keyOf({ shape, row, first }: RowReader): unknown[] | null {
  if (first === 1) return [[unquoted(shape.plan.rowid!), readValue(row, 0)]];
  return shape.key === undefined
    ? null
    : keyPlaces(shape).map((at) => [shape.plan.names[at], readValue(row, at)]);
}

/** Return the name that `quoteName` has quoted, or one that is not quoted. */
function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
