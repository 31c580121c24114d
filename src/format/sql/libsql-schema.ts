import { END, type Token, tokenReader } from "./tokens.ts";

/**
 * The extensions that libSQL writes into a schema and stock SQLite does not know. They are found by tokens:
 * comments do not count.
 */

/** Return true if it is a libSQL vector index: `CREATE INDEX … ON t (libsql_vector_idx(…))`. */
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

/** Return true if a table draws its rowids at random: `CREATE TABLE … RANDOM ROWID`. */
export function isRandomRowid(sql: string): boolean {
  return tableOptions(sql).randomRowid;
}

/** The options after a table's columns. */
export interface TableOptions {
  readonly withoutRowid: boolean;
  readonly strict: boolean;
  readonly randomRowid: boolean;
}

/** Read the options of a table from its CREATE statement. SQLite accepts none of them in quotes. */
export function tableOptions(sql: string): TableOptions {
  const found = new Set<string>();
  eachOption(sql, ({ words }) => {
    if (OPTIONS.has(words)) found.add(words);
  });
  return {
    withoutRowid: found.has(WITHOUT),
    strict: found.has(STRICT),
    randomRowid: found.has(RANDOM),
  };
}

/** Return the statement without RANDOM ROWID. */
export function withoutRandomRowid(sql: string): string {
  let kept = "";
  let comma = "";
  const { start, end } = eachOption(sql, ({ words, from, to }) => {
    if (words === RANDOM) return;
    kept += comma + sql.slice(from, to);
    comma = ",";
  });
  return sql.slice(0, start) + kept + sql.slice(end);
}

const WITHOUT = "WITHOUT ROWID";
const STRICT = "STRICT";
const RANDOM = "RANDOM ROWID";
const OPTIONS: ReadonlySet<string> = new Set([WITHOUT, STRICT, RANDOM]);
/** Words of the longest option. */
const MOST_WORDS = 2;

/** One option of a table: its words, and its place in the text from the comma before it on. */
interface Option {
  /** The words with one space between them; the first ones if it is not a known option. */
  readonly words: string;
  readonly from: number;
  readonly to: number;
}

/**
 * Read the options after the columns, which commas separate, one after the other.
 *
 * @returns the index where they begin, and the index after the last one
 */
function eachOption(sql: string, read: (option: Option) => void): { start: number; end: number } {
  const next = tokenReader(sql);
  const start = endOfColumns(next);
  if (start < 0) return { start: sql.length, end: sql.length };
  let words: string[] = [];
  let from = start;
  let to = start;
  for (let token = next(); ; token = next()) {
    // SQLite takes the text for ended at a NUL.
    const ended = token === END || token.word === ";" || token.word === "\0";
    if (!ended && token.word !== ",") {
      if (words.length <= MOST_WORDS) words.push(token.word);
      to = token.end;
      continue;
    }
    if (words.length > 0) read({ words: words.join(" "), from, to });
    if (ended) return { start, end: to };
    words = [];
    from = token.end;
  }
}

/** Return the index after the parenthesis that closes the columns; -1 if there is none. */
function endOfColumns(next: () => Token): number {
  let depth = 0;
  for (let token = next(); token !== END; token = next()) {
    if (token.word === "(") depth++;
    else if (token.word === ")" && --depth === 0) return token.end;
  }
  return -1;
}
