import { Buffer } from "node:buffer";
import { encode } from "../bytes/bytes.ts";

/**
 * A value of SQLite in JSON, without any loss:
 *
 * | SQLite | JSON |
 * |---|---|
 * | NULL | `null` |
 * | INTEGER within ±(2^53 − 1) | a number |
 * | INTEGER beyond | `{"integer": "9223372036854775807"}` |
 * | REAL | a number; `{"real": "Infinity"}`, `"-Infinity"`, `"-0.0"` |
 * | TEXT | a string; `{"text": "<base64>"}` when it is not UTF-8 |
 * | BLOB | `{"blob": "<base64>"}` |
 *
 * A whole number may be INTEGER or REAL, which JSON does not distinguish: a query asks for `typeof(x)`, and
 * an export writes a whole REAL as `{"real": "1.0"}` unless its column makes one of every number. A value is
 * taken in the same way: a whole number within ±(2^53 − 1) is INTEGER, any other REAL, and
 * `{"real": "1.0"}` is a whole REAL.
 */
export type JsonValue =
  | null
  | number
  | string
  | { readonly integer: string }
  | { readonly real: string }
  | { readonly text: string }
  | { readonly blob: string };

/** A value of SQLite: a number is a REAL, a bigint an INTEGER, an object with bytes in UTF-8 a TEXT. */
export type SqlValue = null | number | bigint | { readonly text: Uint8Array } | Uint8Array;

/** Return the value of SQLite that JSON stands for; undefined for what has none of the forms above. */
export function sqlValueOf(value: unknown): SqlValue | undefined {
  if (value === null) return null;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === "string") return { text: encode(value) };
  if (typeof value !== "object") return undefined;
  const [[kind, text] = [], another] = Object.entries(value) as [string, unknown][];
  return another === undefined && typeof text === "string" ? typed(kind!, text) : undefined;
}

function typed(kind: string, text: string): SqlValue | undefined {
  switch (kind) {
    case "integer": {
      if (!/^-?[0-9]{1,19}$/.test(text)) return undefined;
      const integer = BigInt(text);
      return BigInt.asIntN(64, integer) === integer ? integer : undefined;
    }
    case "real": {
      const real = text.trim() === "" ? Number.NaN : Number(text);
      return Number.isNaN(real) ? undefined : real;
    }
    case "text":
    case "blob": {
      const bytes = fromBase64(text);
      return kind === "blob" || bytes === undefined ? bytes : { text: bytes };
    }
    default:
      return undefined;
  }
}

/** Write a whole REAL so that it is not taken for an INTEGER. */
export function wholeReal(value: number): { readonly real: string } {
  return { real: Object.is(value, -0) ? "-0.0" : `${value}.0` };
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? new Uint8Array(bytes) : undefined;
}
