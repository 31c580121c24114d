import { Buffer } from "node:buffer";
import { type Statement, TYPE } from "../engine/statement.ts";
import type { RowReader } from "./row-reader.ts";

/** Rows of a table that differ. */
export interface RowCounts {
  added: number;
  removed: number;
  changed: number;
}

/** Takes in the rows that differ, while they are current. */
export interface RowVisitor {
  removed(before: RowReader): void;
  added(after: RowReader): void;
  /** @param columns places of the columns that differ, among the stored ones of the later side */
  changed(before: RowReader, after: RowReader, columns: readonly number[]): void;
  /** True if what was taken in should be passed on before more comes. */
  readonly full: boolean;
}

/** Rows of one turn on the images. */
const TURN = 5000;

/**
 * Reads the rows of a table on two sides at once, and tells a visitor where they differ. A side that does not
 * have the table, or whose rows cannot be matched, has no reader.
 */
export class RowMerge {
  readonly counts: RowCounts = { added: 0, removed: 0, changed: 0 };
  readonly #before: RowReader | undefined;
  readonly #after: RowReader | undefined;
  readonly #visitor: RowVisitor;
  /** For each stored column of the later side its place on the earlier side; -1 if it has none. */
  readonly #places: readonly number[];
  readonly #columns: number[] = [];
  #hasBefore: boolean | undefined;
  #hasAfter: boolean | undefined;

  constructor(before: RowReader | undefined, after: RowReader | undefined, visitor: RowVisitor) {
    this.#before = before;
    this.#after = after;
    this.#visitor = visitor;
    const names = before?.shape.plan.names.map((name) => name.toLowerCase()) ?? [];
    this.#places = after?.shape.plan.names.map((name) => names.indexOf(name.toLowerCase())) ?? [];
  }

  /** Compare some more rows. Return false at the end. */
  async turn(): Promise<boolean> {
    const [before, after] = [this.#before, this.#after];
    if (this.#hasBefore === undefined) {
      this.#hasBefore = before !== undefined && (await before.next());
      this.#hasAfter = after !== undefined && (await after.next());
    }
    for (let left = TURN; left > 0 && !this.#visitor.full; left--) {
      if (!this.#hasBefore && !this.#hasAfter) return false;
      const order = !this.#hasAfter ? -1 : !this.#hasBefore ? 1 : before!.compare(after!);
      if (order < 0) {
        this.counts.removed++;
        this.#visitor.removed(before!);
      } else if (order > 0) {
        this.counts.added++;
        this.#visitor.added(after!);
      } else if (this.#differ(before!, after!)) {
        this.counts.changed++;
        this.#visitor.changed(before!, after!, this.#columns);
      }
      if (order <= 0) {
        const more = before!.next();
        this.#hasBefore = typeof more === "boolean" ? more : await more;
      }
      if (order >= 0) {
        const more = after!.next();
        this.#hasAfter = typeof more === "boolean" ? more : await more;
      }
    }
    return true;
  }

  #differ(before: RowReader, after: RowReader): boolean {
    this.#columns.length = 0;
    for (const [column, place] of this.#places.entries())
      if (
        place !== -1 &&
        !isSame(before.row, before.first + place, after.row, after.first + column)
      )
        this.#columns.push(column);
    return this.#columns.length > 0;
  }
}

/** Return true if two columns have the same type and the same bits or bytes. */
function isSame(a: Statement, atA: number, b: Statement, atB: number): boolean {
  const type = a.type(atA);
  if (type !== b.type(atB)) return false;
  switch (type) {
    case TYPE.INTEGER:
      return a.integer(atA) === b.integer(atB);
    case TYPE.REAL:
      return Object.is(a.real(atA), b.real(atB));
    case TYPE.NULL:
      return true;
    default: {
      const size = a.size(atA);
      return size === b.size(atB) && (size === 0 || Buffer.compare(a.view(atA), b.view(atB)) === 0);
    }
  }
}
