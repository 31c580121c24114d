import { TYPE } from "../engine/statement.ts";
import type { Cells } from "./cells.ts";

/**
 * The conversion that SQLite applies to a value that is stored in a column
 * (https://sqlite.org/datatype3.html).
 */
type Affinity = "integer" | "numeric" | "real" | "text" | "blob" | "any";

/** The rule by which a column takes values as they are, or does not. */
export interface ColumnRule {
  readonly affinity: Affinity;
  readonly notNull: boolean;
  /** True in a STRICT table, which refuses what it cannot convert. */
  readonly strict: boolean;
}

/** Return the affinity of a column of this declared type, by the five rules of SQLite's documentation. */
export function affinityOf(type: string, strict: boolean): Affinity {
  const upper = type.toUpperCase();
  if (strict && upper === "ANY") return "any";
  if (upper.includes("INT")) return "integer";
  if (/CHAR|CLOB|TEXT/.test(upper)) return "text";
  if (upper === "" || upper.includes("BLOB")) return strict ? "blob" : "any";
  if (/REAL|FLOA|DOUB/.test(upper)) return "real";
  return "numeric";
}

/**
 * Return true if an INSERT brings the column's value back as it is. A row can have other values: libSQL's
 * ALTER COLUMN changes a column's rule, and leaves the existing rows as they are.
 */
export function fits(
  row: Pick<Cells, "type" | "real" | "view">,
  at: number,
  { affinity, notNull, strict }: ColumnRule,
): boolean {
  const type = row.type(at);
  if (type === TYPE.NULL) return !notNull;
  if (affinity === "any") return true;
  if (strict) return type === STRICT_TYPES[affinity as keyof typeof STRICT_TYPES];
  switch (type) {
    case TYPE.TEXT:
      return affinity === "text" || !isNumber(row.view(at));
    case TYPE.INTEGER:
      return affinity !== "text";
    case TYPE.REAL:
      return affinity === "real" || (affinity !== "text" && !isInteger(row.real(at)));
    default:
      return true;
  }
}

const STRICT_TYPES = {
  integer: TYPE.INTEGER,
  real: TYPE.REAL,
  text: TYPE.TEXT,
  blob: TYPE.BLOB,
} as const;

/** Return true if a column of integers turns this REAL into an INTEGER. */
function isInteger(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) < 2 ** 63;
}

const isSpace = (byte: number | undefined) => byte === 32 || (byte! >= 9 && byte! <= 13);
const isDigit = (byte: number | undefined) => byte! >= 48 && byte! <= 57;

/** Return true if the whole text is a decimal number to SQLite, with or without white space around it. */
function isNumber(text: Uint8Array): boolean {
  let at = 0;
  const digits = () => {
    const from = at;
    while (isDigit(text[at])) at++;
    return at - from;
  };
  const sign = () => {
    if (text[at] === 43 || text[at] === 45) at++; // + -
  };
  while (isSpace(text[at])) at++;
  sign();
  let count = digits();
  if (text[at] === 46) {
    at++;
    count += digits();
  }
  if (count === 0) return false;
  if (text[at] === 69 || text[at] === 101) {
    at++;
    sign();
    if (digits() === 0) return false;
  }
  while (isSpace(text[at])) at++;
  return at === text.length;
}
