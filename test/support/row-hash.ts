import { RowHash } from "../../src/format/tables/digest.ts";

/** A value of SQLite: INTEGER as bigint, REAL boxed, TEXT as its UTF-8 bytes. */
type DigestValue =
  | null
  | bigint
  | { readonly real: number }
  | { readonly text: Uint8Array }
  | { readonly blob: Uint8Array };

/** The hash of a table, of the values of all its rows one after the other. */
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
