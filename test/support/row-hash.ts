import { RowHash } from "../../src/format/tables/digest.ts";

/** A SQLite value: INTEGER as bigint, REAL boxed, TEXT as its UTF-8 bytes. */
type DigestValue =
  | null
  | bigint
  | { readonly real: number }
  | { readonly text: Uint8Array }
  | { readonly blob: Uint8Array };

/** Hash a table, given the values of all its rows in order. */
export function hashOf(...values: DigestValue[]): string {
  const hash = new RowHash();
  for (const value of values)
    if (value === null) hash.null();
    else if (typeof value === "bigint") hash.integer(value);
    else if ("real" in value) hash.real(value.real);
    else if ("text" in value) hash.text(value.text);
    else hash.blob(value.blob);
  return hash.digest();
}
