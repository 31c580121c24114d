/** A piece of SQL that is neither white space nor comment. */
export interface Token {
  /** The text; of a name or a string, the text inside its quotes. */
  readonly text: string;
  /** The text in capitals if it is written without quotes, or is a single character; empty if quoted. */
  readonly word: string;
  readonly kind: "word" | "quoted" | "variable" | "character" | "unterminated" | "end";
  /** Index of its first character in the SQL, and of the first one after it. */
  readonly start: number;
  readonly end: number;
}

/** The token after the last one. */
export const END: Token = { text: "", word: "", kind: "end", start: -1, end: -1 };

const QUOTES: Readonly<Record<string, string>> = { '"': '"', "'": "'", "`": "`", "[": "]" };
const SPACES = /[\t-\r \ufeff]+/y;
const WORD = /[A-Za-z0-9_$\u0080-\uffff]+/y;

/**
 * Read SQL as SQLite's tokenizer does (sqlite3GetToken in https://sqlite.org/src/file/src/tokenize.c). Each
 * call of the result returns the next token, and `END` after the last one. It reads forward only: the work
 * grows with the length of the SQL.
 */
export function tokenReader(sql: string): () => Token {
  let at = 0;
  const read = (kind: Token["kind"], text: string, end: number, word = ""): Token => {
    const token = { text, word, kind, start: at, end };
    at = end;
    return token;
  };
  return () => {
    at = skipBlank(sql, at);
    const first = sql[at];
    if (first === undefined) return END;
    const quote = QUOTES[first];
    if (quote !== undefined) {
      const end = endOfQuoted(sql, at, quote);
      if (end === -1) return read("unterminated", sql.slice(at + 1), sql.length);
      const inner = sql.slice(at + 1, end - 1);
      return read("quoted", quote === "]" ? inner : inner.replaceAll(quote + quote, quote), end);
    }
    const variable = "$@#:".includes(first);
    const end = variable ? endOfVariable(sql, at) : matchEnd(WORD, sql, at);
    if (end > (variable ? at + 1 : at)) {
      const text = sql.slice(at, end);
      return read(variable ? "variable" : "word", text, end, capitalize(text));
    }
    return read("character", first, at + 1, capitalize(first));
  };
}

/** Return the SQL's tokens with one space between them, and nothing else. */
export function withoutBlanks(sql: string): string {
  const next = tokenReader(sql);
  const tokens: string[] = [];
  for (let token = next(); token !== END; token = next())
    tokens.push(sql.slice(token.start, token.end));
  return tokens.join(" ");
}

/** Return true if a word is in the SQL, outside of quotes and comments. `word` is in capitals. */
export function hasWord(sql: string, word: string): boolean {
  const next = tokenReader(sql);
  for (let token = next(); token !== END; token = next()) if (token.word === word) return true;
  return false;
}

/** Return the index after the last token. Only white space and comments come after it. */
export function lastEnd(sql: string): number {
  const next = tokenReader(sql);
  let end = 0;
  for (let token = next(); token !== END; token = next()) end = token.end;
  return end;
}

/** Return the index after white space and comments. A comment that is not closed extends to the end. */
function skipBlank(sql: string, from: number): number {
  let at = from;
  for (;;) {
    const end = matchEnd(SPACES, sql, at);
    if (end > at) at = end;
    else if (sql.startsWith("--", at)) at = indexAfter(sql, "\n", at + 2);
    else if (sql.startsWith("/*", at)) at = indexAfter(sql, "*/", at + 2);
    else return at;
  }
}

function indexAfter(sql: string, text: string, from: number): number {
  const found = sql.indexOf(text, from);
  return found === -1 ? sql.length : found + text.length;
}

/** Return the index after the closing quote; -1 if there is none. A doubled quote does not close. */
export function endOfQuoted(sql: string, start: number, quote: string): number {
  let at = start;
  for (;;) {
    at = sql.indexOf(quote, at + 1);
    if (at === -1) return -1;
    if (quote === "]" || sql[at + 1] !== quote) return at + 1;
    at++;
  }
}

/**
 * Return the index after a variable: `$name`, `@name`, `:name`, `#name`, with `::` between names, and with
 * any text but white space in parentheses after it, as Tcl writes arrays.
 */
function endOfVariable(sql: string, start: number): number {
  let at = start + 1;
  let named = false;
  for (;;) {
    const end = matchEnd(WORD, sql, at);
    if (end > at) {
      at = end;
      named = true;
    } else if (sql.startsWith("::", at)) at += 2;
    else if (sql[at] === "(" && named) {
      const close = matchEnd(/[^)\t-\r ]*/y, sql, at + 1);
      return sql[close] === ")" ? close + 1 : close;
    } else return at;
  }
}

function matchEnd(pattern: RegExp, sql: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(sql) ? pattern.lastIndex : at;
}

/** Convert to capitals as SQLite compares keywords: ASCII letters only, or `ſ` would be an S. */
function capitalize(word: string): string {
  return word.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase());
}
