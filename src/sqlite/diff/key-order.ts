import { Buffer } from "node:buffer";
import { copyOf } from "../../format/bytes/bytes.ts";
import { type Statement, TYPE } from "../engine/statement.ts";

/** A column of a primary key, and the order of its values. */
export interface KeyColumn {
  readonly name: string;
  /** The collation, in capitals: BINARY, NOCASE or RTRIM. */
  readonly collation: string;
  readonly descending: boolean;
}

/** A value of a key; text and blobs as bytes. */
type KeyValue =
  | { readonly class: 0 }
  | { readonly class: 1; readonly value: number | bigint }
  | { readonly class: 2 | 3; readonly value: Uint8Array };

export type Key = readonly KeyValue[];

/** Copy the columns at `places` of the current row. */
export function readKey(row: Statement, places: readonly number[]): Key {
  return places.map((at): KeyValue => {
    switch (row.type(at)) {
      case TYPE.INTEGER:
        return { class: 1, value: row.integer(at) };
      case TYPE.REAL:
        return { class: 1, value: row.real(at) };
      case TYPE.TEXT:
        return { class: 2, value: copyOf(row.view(at)) };
      case TYPE.BLOB:
        return { class: 3, value: copyOf(row.view(at)) };
      default:
        return { class: 0 };
    }
  });
}

/**
 * Compare two keys as SQLite sorts them in a database whose text is UTF-8: NULL, numbers, text, blobs
 * (https://sqlite.org/datatype3.html#sort_order).
 *
 * @returns less than 0, 0, or more
 */
export function compareKeys(a: Key, b: Key, columns: readonly KeyColumn[]): number {
  for (const [at, { collation, descending }] of columns.entries()) {
    const order = compareValues(a[at]!, b[at]!, collation);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}

function compareValues(a: KeyValue, b: KeyValue, collation: string): number {
  if (a.class === 0 || b.class === 0 || a.class !== b.class) return a.class - b.class;
  if (a.class === 1) {
    // An integer that needs a bigint and a float are compared by their exact values.
    const other = b.value as number | bigint;
    return a.value < other ? -1 : a.value > other ? 1 : 0;
  }
  const other = b.value as Uint8Array;
  if (a.class === 2 && collation === "NOCASE") return compareNoCase(a.value, other);
  if (a.class === 2 && collation === "RTRIM") return Buffer.compare(rtrim(a.value), rtrim(other));
  return Buffer.compare(a.value, other);
}

/** Compare without the case of ASCII letters. As in SQLite, what follows a NUL counts by its length alone. */
function compareNoCase(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const order = lower(a[at]!) - lower(b[at]!);
    if (order !== 0) return order;
    if (a[at] === 0) break;
  }
  return a.length - b.length;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

function rtrim(text: Uint8Array): Uint8Array {
  let end = text.length;
  while (end > 0 && text[end - 1] === 32) end--;
  return text.subarray(0, end);
}
