import type { SqlValue } from "../../format/rows/json-value.ts";
import { type Statement, TYPE } from "../engine/statement.ts";

/** The values of one row, as `SqlOutput` and `fits` read them. Columns count from 0. */
export type Cells = Pick<
  Statement,
  "type" | "integer" | "real" | "place" | "size" | "view" | "heap"
>;

const NOTHING = new Uint8Array();

/** A row whose values came over the wire. One object serves for all rows. */
export class ValueCells implements Cells {
  values: readonly SqlValue[] = [];
  heap: Uint8Array = NOTHING;

  type(at: number): number {
    const value = this.values[at]!;
    if (value === null) return TYPE.NULL;
    if (typeof value === "bigint") return TYPE.INTEGER;
    if (typeof value === "number") return TYPE.REAL;
    return value instanceof Uint8Array ? TYPE.BLOB : TYPE.TEXT;
  }

  integer(at: number): bigint {
    return this.values[at] as bigint;
  }

  real(at: number): number {
    return this.values[at] as number;
  }

  /** Return the bytes of a TEXT or a BLOB. */
  view(at: number): Uint8Array {
    const value = this.values[at] as Uint8Array | { readonly text: Uint8Array };
    return value instanceof Uint8Array ? value : value.text;
  }

  /** Make the value's own memory the `heap`, and return where it begins there. */
  place(at: number): number {
    this.heap = this.view(at);
    return 0;
  }

  size(at: number): number {
    return this.view(at).length;
  }
}
