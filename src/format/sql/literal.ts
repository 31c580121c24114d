import { Buffer } from "node:buffer";
import { endOfQuoted, tokenReader } from "./tokens.ts";
import { LEAST_INTEGER } from "./values.ts";

/** The type of an SQL literal. */
export type LiteralKind = "null" | "text" | "blob" | "number";

interface Literal {
  readonly kind: LiteralKind;
  readonly text: string | null;
}

/** A row as an INSERT has it. */
export interface InsertedRow {
  readonly table: string;
  /** Undefined if the INSERT names none. */
  readonly columns: readonly string[] | undefined;
  /** Numbers stay text, so that none loses a digit; blobs stay hexadecimal. */
  readonly values: readonly (string | null)[];
  /** The type of each value. */
  readonly kinds: readonly LiteralKind[];
}

/**
 * Read the row of one `INSERT INTO … VALUES(…);` as sqld's dump or Nightjar writes it. Return undefined if
 * the statement has another form.
 */
export function insertedRow(sql: string): InsertedRow | undefined {
  const next = tokenReader(sql);
  if (next().word !== "INSERT" || next().word !== "INTO") return undefined;
  const table = next().text;
  let token = next();
  let columns: string[] | undefined;
  if (token.word === "(") {
    columns = [];
    do {
      columns.push(next().text);
      token = next();
    } while (token.word === ",");
    if (token.word !== ")") return undefined;
    token = next();
  }
  if (token.word !== "VALUES") return undefined;
  token = next();
  if (token.word !== "(") return undefined;
  const literals = literalsFrom(sql, token.end);
  if (literals === undefined) return undefined;
  const values = literals.map(({ text }) => text);
  return { table, columns, values, kinds: literals.map(({ kind }) => kind) };
}

/**
 * Read the values from `at` to the statement's end: NULL, numbers, 'text' with doubled quotes, X'blobs',
 * text with line breaks as `replace('a\nb','\n',char(10))`, and what values.ts names of Nightjar's own.
 */
function literalsFrom(sql: string, at: number): Literal[] | undefined {
  const literals: Literal[] = [];

  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(sql);
    if (match !== null) at += match[0].length;
    return match;
  };
  const value = (): Literal | undefined => {
    if (sql[at] === "'") {
      const start = at;
      const end = endOfQuoted(sql, start, "'");
      if (end === -1) return undefined;
      at = end;
      return { kind: "text", text: sql.slice(start + 1, end - 1).replaceAll("''", "'") };
    }
    const blob = take(/[Xx]'([0-9A-Fa-f]*)'/y);
    if (blob !== null) return { kind: "blob", text: blob[1]! };
    if (take(/NULL/y) !== null) return { kind: "null", text: null };
    if (take(/replace\(/y) !== null) {
      const base = value();
      if (base?.kind !== "text" || take(/,/y) === null) return undefined;
      const token = value();
      const code = take(/,char\((10|13)\)\)/y);
      if (token?.kind !== "text" || code === null) return undefined;
      const replaced = base.text!.replaceAll(token.text!, String.fromCharCode(Number(code[1])));
      return { kind: "text", text: replaced };
    }
    const cast = take(/CAST\(X'([0-9A-Fa-f]*)' AS TEXT\)/y);
    if (cast !== null) return { kind: "text", text: Buffer.from(cast[1]!, "hex").toString() };
    if (sql.startsWith(LEAST_INTEGER, at)) {
      at += LEAST_INTEGER.length;
      return { kind: "number", text: "-9223372036854775808" };
    }
    const exact = take(/(-?[0-9]+)\*1\.0((?:[*/]\(1<<[0-9]+\))*)/y);
    if (exact !== null) return { kind: "number", text: realOf(exact[1]!, exact[2]!) };
    const number = take(/-?[0-9][0-9.eE+-]*/y);
    return number === null ? undefined : { kind: "number", text: number[0] };
  };

  for (;;) {
    const next = value();
    if (next === undefined) return undefined;
    literals.push(next);
    if (take(/\);\s*$/y) !== null) return literals;
    if (take(/,/y) === null) return undefined;
  }
}

/** Return the decimal digits of a REAL that is written as an integer with powers of two. */
function realOf(integer: string, powers: string): string {
  let value = Number(integer);
  for (const [, sign, bits] of powers.matchAll(/([*/])\(1<<([0-9]+)\)/g))
    value *= 2 ** (sign === "*" ? Number(bits) : -Number(bits));
  const text = String(value);
  return /^-?[0-9]+$/.test(text) ? `${text}.0` : text;
}
