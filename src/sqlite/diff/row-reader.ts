import { encode } from "../../format/bytes/bytes.ts";
import { ALL_ROWIDS, type RowidRange } from "../../format/pages/changed/tree.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { Statement } from "../engine/statement.ts";
import { compareKeys, type Key, readKey } from "./key-order.ts";
import { firstColumn, keyPlaces, type Matching, selectedColumns, type Shape } from "./shape.ts";

/** Reads the rows of a table in the order of what they are matched by, and checks that order. */
export class RowReader {
  readonly shape: Shape;
  /** The place of the first stored column in `row`; a rowid comes before it. */
  readonly first: number;
  readonly row: Statement;
  /** The rowid of the current row, where rows are matched by it. */
  rowid: number | bigint = 0;
  /** The key of the current row, where rows are matched by it. */
  key: Key = [];
  readonly #matching: Matching;
  readonly #places: readonly number[];
  readonly #ranges: readonly RowidRange[];
  readonly #whole: boolean;
  #range = -1;
  #isFirst = true;

  private constructor(
    shape: Shape,
    matching: Matching,
    row: Statement,
    ranges: readonly RowidRange[] | undefined,
  ) {
    this.shape = shape;
    this.row = row;
    this.first = firstColumn(shape);
    this.#matching = matching;
    this.#places = keyPlaces(shape);
    this.#whole = ranges === undefined;
    this.#ranges = ranges ?? [ALL_ROWIDS];
  }

  /** @param ranges the rowids to read, ascending; undefined for all rows */
  static async open(
    engine: Engine,
    shape: Shape,
    matching: Matching,
    ranges?: readonly RowidRange[],
  ): Promise<RowReader> {
    const where = ranges === undefined ? "" : ` WHERE ${shape.plan.rowid!} BETWEEN ?1 AND ?2`;
    // NOT INDEXED: an index that has all columns would give the rows in its own order.
    const sql = `SELECT ${selectedColumns(shape).join(",")} FROM ${quoteName(shape.table.name)} NOT INDEXED${where}`;
    const { statement } = await Statement.prepare(engine, encode(sql));
    return new RowReader(shape, matching, statement!, ranges);
  }

  /**
   * Go to the next row. Return true if there is one, at once or later.
   *
   * @throws NightjarError `OBJECT_CORRUPT` if it does not come after the one before
   */
  next(): boolean | Promise<boolean> {
    // SQLite would read the next leaf to see that the range has ended.
    const isLast = this.#range >= 0 && !this.#whole && BigInt(this.rowid) === this.#to;
    if (this.#range < 0 || isLast) return this.#nextRange();
    const step = this.row.step();
    return typeof step === "boolean"
      ? this.#stepped(step)
      : step.then((more) => this.#stepped(more));
  }

  async close(): Promise<void> {
    await this.row.finalize();
  }

  get #to(): bigint {
    return this.#ranges[this.#range]!.to;
  }

  #nextRange(): boolean | Promise<boolean> {
    const range = this.#ranges[++this.#range];
    if (range === undefined) {
      this.#range--;
      return false;
    }
    if (!this.#whole) {
      this.row.reset();
      this.row.bind(1, range.from);
      this.row.bind(2, range.to);
    }
    const step = this.row.step();
    return typeof step === "boolean"
      ? this.#stepped(step)
      : step.then((more) => this.#stepped(more));
  }

  #stepped(more: boolean): boolean | Promise<boolean> {
    if (!more) return this.#nextRange();
    let follows = true;
    if (this.#matching === "rowid") {
      const rowid = this.row.integer(0);
      follows = this.#isFirst || rowid > this.rowid;
      this.rowid = rowid;
    } else if (this.#matching === "key") {
      const key = readKey(this.row, this.#places);
      follows = this.#isFirst || compareKeys(key, this.key, this.shape.key!) > 0;
      this.key = key;
    }
    this.#isFirst = false;
    if (follows) return true;
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `The rows of ${this.shape.table.name} do not come in the order of its key.`,
    );
  }

  /** Compare what identifies the current rows of two readers. Return less than 0, 0, or more. */
  compare(other: RowReader): number {
    if (this.#matching === "key") return compareKeys(this.key, other.key, this.shape.key!);
    return this.rowid < other.rowid ? -1 : this.rowid > other.rowid ? 1 : 0;
  }
}
