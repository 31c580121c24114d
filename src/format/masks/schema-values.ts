import { Buffer } from "node:buffer";
import { lowerName } from "../tables/selection.ts";
import { END, tokenReader } from "../sql/tokens.ts";

/** Matches a number from its first character on (https://sqlite.org/syntax/numeric-literal.html). */
const NUMBER = /0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?/y;
/** Words after DEFAULT that are no text. */
const DEFAULTS = new Set(["NULL", "TRUE", "FALSE"]);

/** A value that the text of a schema holds. */
export interface SchemaValue {
  /** Of a number, its digits without a sign; else the bytes, one character each. */
  readonly text: string;
  readonly isNumber: boolean;
}

/**
 * List the values in the text of a schema object: strings, blobs and numbers. Text in double quotes is a
 * string if nothing has that name, as for SQLite.
 *
 * @param names of all tables, columns and other objects of the schema, in lower case
 */
export function schemaValues(sql: string, names: ReadonlySet<string>): SchemaValue[] {
  const values: SchemaValue[] = [];
  const next = tokenReader(sql);
  let before = END;
  let copied = 0;
  for (let token = next(); token !== END; token = next()) {
    if (token.start < copied) continue; // a part of a number
    const number = numberAt(sql, token.start, token.kind);
    if (number !== undefined) {
      values.push({ text: number.text, isNumber: true });
      copied = number.end;
    } else if (token.kind === "quoted" || token.kind === "unterminated") {
      const isName = sql[token.start] !== "'" && names.has(lowerName(token.text));
      const isBlob = before.word === "X" && before.end === token.start;
      if (isBlob) values.push(plain(Buffer.from(token.text, "hex")));
      else if (!isName) values.push(plain(Buffer.from(token.text)));
    } else if (before.word === "DEFAULT" && token.kind === "word" && !DEFAULTS.has(token.word))
      values.push(plain(Buffer.from(token.text)));
    before = token;
  }
  return values;
}

function plain(bytes: Buffer): SchemaValue {
  return { text: bytes.toString("latin1"), isNumber: false };
}

function numberAt(
  sql: string,
  start: number,
  kind: string,
): { text: string; end: number } | undefined {
  if (kind !== "word" && kind !== "character") return undefined;
  NUMBER.lastIndex = start;
  const found = NUMBER.exec(sql)?.[0];
  return found === undefined ? undefined : { text: digitsOf(found), end: start + found.length };
}

/** Write a number as its value in SQLite is written. */
function digitsOf(literal: string): string {
  const digits = literal.replaceAll("_", "");
  return /^(0[xX][0-9a-fA-F]+|\d+)$/.test(digits) ? String(BigInt(digits)) : String(Number(digits));
}
