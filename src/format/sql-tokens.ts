/** A piece of SQL that is neither white space nor comment. */
export interface Token {
  /** A name or a string comes without its quotes. */
  readonly text: string;
  /** In capitals what stands without quotes, a single character too; empty for what is quoted. */
  readonly word: string;
  /** Where the text goes on behind it. */
  readonly end: number;
}

/** What stands behind the last token. */
export const END: Token = { text: "", word: "", end: -1 };

/**
 * White space and comments; a name in quotes; a word; or one other character
 * (https://sqlite.org/lang_keywords.html tells of the four kinds of quotes). To SQLite every character
 * beyond ASCII is of a word, but for a byte order mark between words.
 */
const TOKEN =
  /([\t-\r \ufeff]+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$))|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|`((?:[^`]|``)*)`|\[([^\]]*)\]|([A-Za-z0-9_$\u0080-\u{10ffff}]+)|([\s\S])/uy;

/** Reads SQL as SQLite's tokenizer would; the function gives a token each time it is called, and `END` at last. */
export function tokenReader(sql: string): () => Token {
  let at = 0;
  return () => {
    while (at < sql.length) {
      TOKEN.lastIndex = at;
      const [, space, double, single, tick, bracket, bare, other] = TOKEN.exec(sql)!;
      at = TOKEN.lastIndex;
      if (space !== undefined) continue;
      const quoted =
        double?.replaceAll('""', '"') ??
        single?.replaceAll("''", "'") ??
        tick?.replaceAll("``", "`") ??
        bracket;
      const word = bare ?? other ?? "";
      return { text: quoted ?? word, word: capitals(word), end: at };
    }
    return END;
  };
}

/** As SQLite compares keywords: by ASCII letters only, or `ſ` would be an S. */
function capitals(word: string): string {
  return word.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase());
}
