import { END, type Token, tokenReader } from "./tokens.ts";

/** A column's definition in the text of a CREATE TABLE statement. */
export interface ColumnDefinition {
  /** Its name as the statement writes it, with quotes if it has them. */
  readonly name: string;
  /** The whole definition, from its name on, without comments before and after it. */
  readonly text: string;
  /** The index of its first character in the statement, and of the first one after it. */
  readonly start: number;
  readonly end: number;
  /** True for a key, a unique or a generated column, which cannot be changed in a table that exists. */
  readonly fixed: boolean;
}

/** The columns and the rules of a CREATE TABLE statement. */
export interface TableDefinition {
  readonly columns: readonly ColumnDefinition[];
  /** The expressions of its CHECKs, with their parentheses. */
  readonly checks: readonly string[];
}

const TABLE_RULES = new Set(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]);
const FIXED = new Set(["PRIMARY", "UNIQUE", "GENERATED", "AS"]);

/** Read the columns and CHECKs of a CREATE TABLE statement. Any other statement has none. */
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
    const item = readItem(next, (start, end) => checks.push(sql.slice(start, end)));
    const column = columnOf(sql, item);
    if (column !== undefined) columns.push(column);
    token = item.after;
  }
  return { columns, checks };
}

/** A column or a rule of the table, as read from its tokens outside of parentheses. */
interface Item {
  /** Its first token; undefined if there is none. */
  readonly first: Token | undefined;
  readonly end: number;
  readonly fixed: boolean;
  /** The token after it: a comma, or the last parenthesis. */
  readonly after: Token;
}

/** Read an item, however long, and keep only the first of its tokens. */
function readItem(next: () => Token, onCheck: (start: number, end: number) => void): Item {
  let first: Token | undefined;
  let before = "";
  let end = -1;
  let fixed = false;
  let depth = 0;
  let check = -1;
  for (let token = next(); ; token = next()) {
    const { word } = token;
    if (token === END || (depth === 0 && (word === "," || word === ")")))
      return { first, end, fixed, after: token };
    if (word === "(") {
      if (depth === 0 && before === "CHECK") check = token.start;
      depth++;
    }
    if (word === ")") depth--;
    if (depth > 0) continue;
    if (word === ")" && check !== -1) {
      onCheck(check, token.end);
      check = -1;
    }
    fixed ||= first !== undefined && FIXED.has(word);
    first ??= token;
    before = word;
    end = token.end;
  }
}

function columnOf(sql: string, { first, end, fixed }: Item): ColumnDefinition | undefined {
  if (first === undefined || TABLE_RULES.has(first.word)) return undefined;
  const { start } = first;
  const name = sql.slice(start, first.end);
  return { name, text: sql.slice(start, end), start, end, fixed };
}

/** Return the collation that a column's definition names, the last one if it names several. */
export function readCollation({ text }: Pick<ColumnDefinition, "text">): string {
  const next = tokenReader(text);
  let collation = "BINARY";
  let depth = 0;
  for (let token = next(); token !== END; token = next()) {
    if (token.word === "(") depth++;
    if (token.word === ")") depth--;
    if (depth === 0 && token.word === "COLLATE") collation = next().text;
  }
  return collation;
}

/**
 * Rewrite the statement so that its columns take every value: those that are not fixed lose their type (ANY
 * in a STRICT table) and their rules.
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

/** Return a column's definition that takes every value. */
export function looseColumn({ name }: ColumnDefinition, strict: boolean): string {
  return strict ? `${name} ANY` : name;
}
