import { Buffer } from "node:buffer";
import { NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { type Bound, type Statement, TYPE } from "./statement.ts";

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
 * A whole number may be INTEGER or REAL, which JSON does not distinguish: ask for `typeof(x)`. An argument
 * is given the same way: a whole number within ±(2^53 − 1) binds as INTEGER, any other as REAL, and
 * `{"real": "1.0"}` binds a whole REAL.
 */
export type JsonValue =
  | null
  | number
  | string
  | { readonly integer: string }
  | { readonly real: string }
  | { readonly text: string }
  | { readonly blob: string };

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Return about how many bytes of JSON the column at `at` makes, without making any. */
export function valueSize(row: Statement, at: number): number {
  switch (row.type(at)) {
    case TYPE.TEXT:
      return row.size(at) + 2;
    case TYPE.BLOB:
      return Math.ceil(row.size(at) * 1.34) + 12;
    case TYPE.NULL:
      return 4;
    default:
      return 16;
  }
}

/** Return the column at `at` of the current row. */
export function readValue(row: Statement, at: number): JsonValue {
  switch (row.type(at)) {
    case TYPE.INTEGER: {
      const value = row.integer(at);
      return typeof value === "number" ? value : { integer: String(value) };
    }
    case TYPE.REAL: {
      const value = row.real(at);
      if (Object.is(value, -0)) return { real: "-0.0" };
      return Number.isFinite(value) ? value : { real: String(value) };
    }
    case TYPE.TEXT: {
      const view = row.view(at);
      try {
        return UTF8.decode(view);
      } catch {
        return { text: base64(view) };
      }
    }
    case TYPE.BLOB:
      return { blob: base64(row.view(at)) };
    default:
      return null;
  }
}

/** @throws NightjarError `QUERY_REFUSED` when `value` has none of the forms above */
export function toBound(value: unknown, at: number): Bound {
  if (value === null) return null;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === "string") return { text: encode(value) };
  if (typeof value === "object") {
    const [[kind, text] = [], another] = Object.entries(value) as [string, unknown][];
    if (another === undefined && typeof text === "string") {
      const bound = typed(kind!, text);
      if (bound !== undefined) return bound;
    }
  }
  throw new NightjarError(
    "QUERY_REFUSED",
    `Argument ${at + 1} is neither null, a number, a string nor one of {"integer"}, {"real"}, {"text"}, {"blob"} with its text.`,
    {
      hint: 'For example {"integer":"9223372036854775807"}, {"blob":"<base64>"}.',
    },
  );
}

function typed(kind: string, text: string): Bound | undefined {
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

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? new Uint8Array(bytes) : undefined;
}
