import { createHash } from "node:crypto";
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
  readonly #ordered: boolean;
  #row = 0;
  /** The sum of the hashes of the rows that were exported, for rows in any order. */
  #sum = 0n;

  /**
   * @param virtual true for a virtual table, whose rows come by rowid
   * @param ordered false if the rows come in another order than they were inserted in: then their hashes are
   *   compared, all at once
   */
  constructor(
    database: Database,
    table: string,
    columns: readonly string[],
    { virtual, ordered }: { readonly virtual: boolean; readonly ordered: boolean },
  ) {
    this.#table = table;
    this.#columns = columns;
    this.#ordered = ordered;
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
    if (!this.#ordered) {
      this.#sum += hashOf(expected.map(formOf));
      return;
    }
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
    if (!this.#ordered) return this.#endUnordered();
    for (const reader of this.#parts)
      if (reader.next().done !== true) throw new Error(`${this.#table} has more rows`);
  }

  /** @throws Error where other rows were read than were exported */
  #endUnordered(): void {
    for (let left = this.#row; ; left--) {
      const read = this.#parts.map((reader) => reader.next());
      if (read.some(({ done }) => done === true)) {
        if (left !== 0) throw new Error(`${this.#table} has more or fewer rows`);
        break;
      }
      const values = this.#columns.map((_, at) => {
        const row = read[Math.floor(at / MOST)]!.value as Record<string, unknown>;
        return readForm(row[`t${at % MOST}`], row[`v${at % MOST}`]);
      });
      this.#sum -= hashOf(values);
    }
    if (this.#sum % MODULUS !== 0n)
      throw new Error(
        `${this.#table} has other values: its columns would change what was exported`,
      );
  }
}

const MODULUS = 2n ** 256n;

function hashOf(forms: readonly string[]): bigint {
  const hash = createHash("sha256").update(JSON.stringify(forms)).digest("hex");
  return BigInt(`0x${hash}`);
}

/** Write a value so that those that are the same are written the same. */
function formOf(value: SqlValue): string {
  if (value === null) return "null";
  if (typeof value === "bigint" || typeof value === "number") return numberForm(value);
  if (value instanceof Uint8Array) return `blob ${Buffer.from(value).toString("base64")}`;
  return `text ${Buffer.from(value.text).toString("base64")}`;
}

function readForm(type: unknown, value: unknown): string {
  if (type === "null") return "null";
  if (type === "integer") return numberForm(BigInt(value as string));
  if (type === "real") return numberForm(value as number);
  const bytes = value as Uint8Array;
  return `${String(type)} ${Buffer.from(bytes).toString("base64")}`;
}

/** A column of REALs makes one of a whole number, which JSON does not tell from an integer. */
function numberForm(value: bigint | number): string {
  if (typeof value === "number" && Number.isInteger(value)) return `number ${BigInt(value)}`;
  return `number ${value}`;
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
