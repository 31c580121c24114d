import { END, type Token, tokenReader } from "./sql-tokens.ts";

/** What libSQL writes into a schema and stock SQLite does not know, told by tokens: comments do not count. */

/** Whether it is a libSQL vector index: `CREATE INDEX … ON t (libsql_vector_idx(…))`. */
export function isVectorIndex(sql: string): boolean {
  const next = tokenReader(sql);
  let before = "";
  for (let token = next(); token !== END; token = next()) {
    if (before === "(" && token.text.toLowerCase() === "libsql_vector_idx") {
      if (next().word === "(") return true;
    }
    before = token.word;
  }
  return false;
}

/** Whether a table draws its rowids at random: `CREATE TABLE … RANDOM ROWID`. */
export function isRandomRowid(sql: string): boolean {
  return optionsOf(sql).options.some(isRandom);
}

/** The statement without that option. */
export function withoutRandomRowid(sql: string): string {
  const { start, options, end } = optionsOf(sql);
  const kept = options
    .filter((option) => !isRandom(option))
    .map(({ from, to }) => sql.slice(from, to));
  return sql.slice(0, start) + kept.join(",") + sql.slice(end);
}

/** One option of a table: its words, and its text from the comma before it on. */
interface Option {
  readonly words: readonly string[];
  readonly from: number;
  readonly to: number;
}

const isRandom = ({ words }: Option): boolean => words.join(" ") === "RANDOM ROWID";

/** The options behind the columns, which commas separate; where they begin, and where the last one ends. */
function optionsOf(sql: string): { start: number; options: Option[]; end: number } {
  const next = tokenReader(sql);
  const start = endOfColumns(next);
  const options: Option[] = [];
  let words: string[] = [];
  let from = start;
  let to = start;
  if (start < 0) return { start: sql.length, options, end: sql.length };
  for (let token = next(); ; token = next()) {
    const ended = token === END || token.word === ";";
    if (!ended && token.word !== ",") {
      words.push(token.word);
      to = token.end;
      continue;
    }
    if (words.length > 0) options.push({ words, from, to });
    if (ended) return { start, options, end: to };
    words = [];
    from = token.end;
  }
}

/** Where the parenthesis ends that closes the columns; -1 where there is none. */
function endOfColumns(next: () => Token): number {
  let depth = 0;
  for (let token = next(); token !== END; token = next()) {
    if (token.word === "(") depth++;
    else if (token.word === ")" && --depth === 0) return token.end;
  }
  return -1;
}
