import { END, type Token, tokenReader } from "./sql-tokens.ts";

/** A column's definition in the text of a CREATE TABLE statement. */
export interface ColumnDefinition {
  /** Its name as the statement writes it, with quotes if it has them. */
  readonly name: string;
  /** The whole definition, from its name on, without comments before and after it. */
  readonly text: string;
  /** Where it is in the statement's text. */
  readonly start: number;
  readonly end: number;
  /** It is a key, unique or generated, which can be changed in no table that exists. */
  readonly fixed: boolean;
}

/** What a CREATE TABLE statement tells of its columns and rules. */
export interface TableDefinition {
  readonly columns: readonly ColumnDefinition[];
  /** The expressions of its CHECKs, with their parentheses. */
  readonly checks: readonly string[];
}

const TABLE_RULES = new Set(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]);
const FIXED = new Set(["PRIMARY", "UNIQUE", "GENERATED", "AS"]);

/** Read the columns and CHECKs of a CREATE TABLE statement; of any other statement none. */
export function readTableDefinition(sql: string): TableDefinition {
  const next = tokenReader(sql);
  const columns: ColumnDefinition[] = [];
  const checks: string[] = [];
  let token = next();
  for (let place = 1; token !== END && token.word !== "("; place++) {
    // `virtual` is a legal name of a table, too.
    if (token.word === "AS" || (token.word === "VIRTUAL" && place === 2))
      return { columns, checks };
    token = next();
  }
  while (token !== END && token.word !== ")") {
    const item: Token[] = [];
    token = readItem(next, item, (start, end) => checks.push(sql.slice(start, end)));
    const column = columnOf(sql, item);
    if (column !== undefined) columns.push(column);
  }
  return { columns, checks };
}

/** Collect an item's tokens outside of parentheses; the token after it, a comma or the last parenthesis. */
function readItem(
  next: () => Token,
  item: Token[],
  onCheck: (start: number, end: number) => void,
): Token {
  let depth = 0;
  let check = -1;
  for (let token = next(); token !== END; token = next()) {
    if (depth === 0 && (token.word === "," || token.word === ")")) return token;
    if (token.word === "(") {
      if (depth === 0 && item.at(-1)?.word === "CHECK") check = token.start;
      depth++;
    }
    if (token.word === ")") depth--;
    if (depth === 0) {
      if (token.word === ")" && check !== -1) {
        onCheck(check, token.end);
        check = -1;
      }
      item.push(token);
    }
  }
  return END;
}

function columnOf(sql: string, item: readonly Token[]): ColumnDefinition | undefined {
  const first = item[0];
  if (first === undefined || TABLE_RULES.has(first.word)) return undefined;
  const { start } = first;
  const end = item.at(-1)!.end;
  const fixed = item.slice(1).some(({ word }) => FIXED.has(word));
  const name = sql.slice(start, first.end);
  return { name, text: sql.slice(start, end), start, end, fixed };
}

/**
 * The statement with columns that take every value: those that are not fixed have no type (ANY in a STRICT
 * table) and no rule left.
 */
export function withLooseColumns(
  sql: string,
  columns: readonly ColumnDefinition[],
  strict: boolean,
): string {
  let loose = "";
  let copied = 0;
  for (const column of columns) {
    if (column.fixed) continue;
    loose += sql.slice(copied, column.start) + looseColumn(column, strict);
    copied = column.end;
  }
  return loose + sql.slice(copied);
}

/** A column's definition that takes every value. */
export function looseColumn({ name }: ColumnDefinition, strict: boolean): string {
  return strict ? `${name} ANY` : name;
}
