import { isUtf8 } from "node:buffer";
import type { SqlValue } from "../../format/rows/json-value.ts";
import { quoteName } from "../../format/sql/quote.ts";
import type { Database, Statement } from "../sqlite/database.ts";

/** A byte order mark is a part of the text. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Statements that are kept: one for each set of columns whose values are bound in a way of their own. */
const MOST = 64;

/** Inserts rows of one table so that each value keeps its type and its bytes. */
export class RowInserter {
  readonly #database: Database;
  readonly #start: string;
  readonly #statements = new Map<string, Statement>();

  constructor(database: Database, table: string, columns: readonly string[]) {
    this.#database = database;
    this.#start = `INSERT INTO ${quoteName(table)}(${columns.map(quoteName).join(",")}) VALUES(`;
  }

  insert(values: readonly SqlValue[]): void {
    const bound = values.map(bindingOf);
    const places = bound.map(({ place }) => place).join(",");
    const args = bound.flatMap(({ arg }) => (arg === undefined ? [] : [arg]));
    this.#prepared(places).run(...args);
  }

  #prepared(places: string): Statement {
    const known = this.#statements.get(places);
    if (known !== undefined) return known;
    if (this.#statements.size >= MOST) this.#statements.clear();
    const made = this.#database.prepare(`${this.#start}${places})`);
    this.#statements.set(places, made);
    return made;
  }
}

interface Binding {
  /** The SQL that stands for the value. */
  readonly place: string;
  /** What is bound to it; undefined if nothing is. */
  readonly arg: bigint | number | string | Uint8Array | undefined;
}

/** Choose how a value is bound: no JavaScript value stands for some of them. */
function bindingOf(value: SqlValue): Binding {
  if (value === null) return { place: "NULL", arg: undefined };
  if (typeof value === "number") {
    if (Object.is(value, -0)) return { place: "-0.0", arg: undefined };
    // A whole number might be bound as an INTEGER.
    return { place: Number.isInteger(value) ? "CAST(? AS REAL)" : "?", arg: value };
  }
  if (typeof value === "bigint" || value instanceof Uint8Array) return { place: "?", arg: value };
  const { text } = value;
  if (isUtf8(text) && !text.includes(0)) return { place: "?", arg: UTF8.decode(text) };
  return { place: "CAST(? AS TEXT)", arg: text };
}
