import { END, type Token, tokenReader } from "../sql/tokens.ts";
import { lowerName } from "../tables/selection.ts";

/** A column of a table, both in lower case. */
export interface Place {
  readonly table: string;
  readonly column: string;
}

/** The query that chooses the rows that a subset starts from, and the column that it gives. */
export interface Root extends Place {
  /** The query, without a semicolon and comments at its end. */
  readonly sql: string;
}

/** A foreign key that the schema does not declare. */
export interface Reference {
  readonly from: Place;
  readonly to: Place;
}

/** The rows that sanitized output has, in place of all. */
export interface Subset {
  readonly root: Root;
  /** Rows of the root's table at most that the subset starts from. */
  readonly rows: number;
  readonly references: readonly Reference[];
}

export const ROOT_FORM =
  "must be one query whose only column identifies rows, like \"select id from users where created_at > '2026-01-01'\"";

const COMPOUND = new Set(["UNION", "EXCEPT", "INTERSECT"]);
/** Words that can follow a table's name and are no alias. */
const AFTER_TABLE = new Set([
  ...["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "WINDOW", "INDEXED", "NOT", "ON", "USING"],
  ...["JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", ...COMPOUND],
]);

/**
 * Read the head of a root query: `SELECT [DISTINCT] [alias.]column FROM table [[AS] alias] …`. The rest is for
 * SQLite to read.
 *
 * @returns undefined for any other text
 */
export function parseRoot(text: string): Root | undefined {
  const tokens = tokensOf(text);
  const end = endOf(tokens);
  if (end === undefined) return undefined;
  const words = tokens.slice(0, end);
  let at = 0;
  const takes = (word: string): boolean => words[at]?.word === word && ++at > 0;
  const name = (): string | undefined => {
    const token = words[at];
    if (token === undefined || !isName(text, token)) return undefined;
    at++;
    return lowerName(token.text);
  };
  if (!takes("SELECT")) return undefined;
  takes("DISTINCT");
  const first = name();
  const second = takes(".") ? name() : first;
  const qualifier = second === first ? undefined : first;
  if (first === undefined || second === undefined || !takes("FROM")) return undefined;
  const table = name();
  if (table === undefined || [".", "("].includes(words[at]?.word ?? "")) return undefined;
  const isAliased = takes("AS") || !AFTER_TABLE.has(words[at]?.word ?? "WHERE");
  const alias = isAliased && words[at]?.word !== "," ? name() : table;
  if (alias === undefined || (qualifier !== undefined && qualifier !== alias)) return undefined;
  return { sql: text.slice(0, words.at(-1)!.end), table, column: second };
}

/** Read `table.column`. @returns undefined for any other text */
export function parsePlace(text: string): Place | undefined {
  const [table = "", column = "", more] = text.split(".").map((part) => lowerName(part.trim()));
  return table === "" || column === "" || more !== undefined ? undefined : { table, column };
}

function tokensOf(text: string): Token[] {
  const next = tokenReader(text);
  const tokens: Token[] = [];
  for (let token = next(); token !== END; token = next()) tokens.push(token);
  return tokens;
}

/**
 * Return the number of tokens of a query, without a semicolon at its end; undefined for what is more than one
 * SELECT, or would not stay within parentheses around it.
 */
function endOf(tokens: readonly Token[]): number | undefined {
  const end = tokens.at(-1)?.word === ";" ? tokens.length - 1 : tokens.length;
  let depth = 0;
  for (const { word, kind } of tokens.slice(0, end)) {
    if (word === "(") depth++;
    if (word === ")" && --depth < 0) return undefined;
    if (word === ";" || kind === "unterminated") return undefined;
    if (depth === 0 && COMPOUND.has(word)) return undefined;
  }
  return depth === 0 && end > 0 ? end : undefined;
}

function isName(text: string, { kind, start, word }: Token): boolean {
  if (kind === "quoted") return text[start] !== "'";
  return kind === "word" && !/^\d/.test(word) && word !== "FROM";
}
