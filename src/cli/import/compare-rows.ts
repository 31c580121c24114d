import type { SqlValue } from "../../format/rows/json-value.ts";
import { quoteName } from "../../format/sql/quote.ts";
import type { Database } from "../sqlite/database.ts";

/** Columns that one SELECT reads here: it gives two for each, of 2,000 that SQLite takes. */
const MOST = 500;

/**
 * Reads a table back in the order in which its rows were inserted, and compares each with what was
 * exported, by type and by bytes.
 */
export class RowComparer {
  readonly #table: string;
  readonly #columns: readonly string[];
  /** Readers of the same rows, each of a part of the columns. */
  readonly #parts: Iterator<unknown>[] = [];
  #row = 0;

  /** @param virtual true for a virtual table, whose rows come by rowid */
  constructor(database: Database, table: string, columns: readonly string[], virtual: boolean) {
    this.#table = table;
    this.#columns = columns;
    const from = virtual ? `${quoteName(table)} ORDER BY rowid` : `${quoteName(table)} NOT INDEXED`;
    for (let at = 0; at < columns.length; at += MOST) {
      const list = columns.slice(at, at + MOST).map((column, within) => {
        const name = quoteName(column);
        // Text as bytes, and integers as text: so both come as they are.
        return `typeof(${name}) AS t${within},CASE typeof(${name}) WHEN 'integer' THEN CAST(${name} AS TEXT) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END AS v${within}`;
      });
      const statement = database.prepare(`SELECT ${list.join(",")} FROM ${from}`);
      this.#parts.push(statement.iterate()[Symbol.iterator]());
    }
  }

  /** @throws Error where the next row is another one */
  compare(expected: readonly SqlValue[]): void {
    this.#row++;
    for (const [part, reader] of this.#parts.entries()) {
      const next = reader.next();
      if (next.done === true) throw new Error(`row ${this.#row} of ${this.#table} is missing`);
      const row = next.value as Record<string, unknown>;
      const from = part * MOST;
      for (let at = from; at < Math.min(from + MOST, expected.length); at++) {
        const type = row[`t${at - from}`];
        if (isSame(expected[at]!, type, row[`v${at - from}`])) continue;
        throw new Error(
          `row ${this.#row} of ${this.#table} has another value in ${this.#columns[at]}: its column would change what was exported`,
        );
      }
    }
  }

  /** @throws Error where there are more rows */
  end(): void {
    for (const reader of this.#parts)
      if (reader.next().done !== true) throw new Error(`${this.#table} has more rows`);
  }
}

function isSame(expected: SqlValue, type: unknown, value: unknown): boolean {
  if (expected === null) return type === "null";
  // A column of REALs makes one of a whole number, which JSON does not tell from an integer.
  if (typeof expected === "bigint")
    return type === "integer" ? value === String(expected) : value === Number(expected);
  if (typeof expected === "number") return type === "real" && Object.is(value, expected);
  const bytes = expected instanceof Uint8Array ? expected : expected.text;
  return (
    type === (expected instanceof Uint8Array ? "blob" : "text") &&
    value instanceof Uint8Array &&
    Buffer.compare(value, bytes) === 0
  );
}
