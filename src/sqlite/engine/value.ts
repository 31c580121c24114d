import { NightjarError } from "../../errors/errors.ts";
import { type JsonValue, sqlValueOf, toBase64 } from "../../format/rows/json-value.ts";
import { type Bound, type Statement, TYPE } from "./statement.ts";

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
        return { text: toBase64(view) };
      }
    }
    case TYPE.BLOB:
      return { blob: toBase64(row.view(at)) };
    default:
      return null;
  }
}

/** @throws NightjarError `QUERY_REFUSED` when `value` has none of the forms of `JsonValue` */
export function toBound(value: unknown, at: number): Bound {
  const bound = sqlValueOf(value);
  if (bound !== undefined) return bound;
  throw new NightjarError(
    "QUERY_REFUSED",
    `Argument ${at + 1} is neither null, a number, a string nor one of {"integer"}, {"real"}, {"text"}, {"blob"} with its text.`,
    {
      hint: 'For example {"integer":"9223372036854775807"}, {"blob":"<base64>"}.',
    },
  );
}
