import { tokenReader } from "./sql-tokens.ts";

/** A row as an INSERT has it. */
export interface InsertedRow {
  readonly table: string;
  /** Undefined where the INSERT names none. */
  readonly columns: readonly string[] | undefined;
  /** Numbers stay text, so that none loses a digit; blobs stay hexadecimal. */
  readonly values: readonly (string | null)[];
}

/**
 * The row of one `INSERT INTO … VALUES(…);` as sqld's dump writes it. Undefined when the statement is of
 * another shape.
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
  const values = valuesFrom(sql, token.end);
  return values && { table, columns, values };
}

/**
 * The values from a place on to the statement's end: NULL, numbers, 'text' with doubled quotes, X'blobs',
 * and text with line breaks as `replace('a\nb','\n',char(10))`.
 */
function valuesFrom(sql: string, at: number): (string | null)[] | undefined {
  const values: (string | null)[] = [];

  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(sql);
    if (match !== null) at += match[0].length;
    return match;
  };
  const value = (): string | null | undefined => {
    const text = take(/'((?:[^']|'')*)'/y);
    if (text !== null) return text[1]!.replaceAll("''", "'");
    const blob = take(/[Xx]'([0-9A-Fa-f]*)'/y);
    if (blob !== null) return blob[1]!;
    if (take(/NULL/y) !== null) return null;
    if (take(/replace\(/y) !== null) {
      const base = value();
      if (base == null || take(/,/y) === null) return undefined;
      const token = value();
      const code = take(/,char\((10|13)\)\)/y);
      if (token == null || code === null) return undefined;
      return base.replaceAll(token, String.fromCharCode(Number(code[1])));
    }
    return take(/-?[0-9][0-9.eE+-]*/y)?.[0];
  };

  for (;;) {
    const next = value();
    if (next === undefined) return undefined;
    values.push(next);
    if (take(/\);\s*$/y) !== null) return values;
    if (take(/,/y) === null) return undefined;
  }
}
