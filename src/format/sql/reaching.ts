import { lowerName } from "../tables/selection.ts";
import { END, type Token, tokenReader } from "./tokens.ts";

/** Functions of SQLite's shell and its extensions that run commands or reach files. libSQL has none of them. */
const FUNCTIONS = new Set([
  ...["edit", "eval", "fsdir", "fts3_tokenizer", "load_extension", "lsmode", "readfile"],
  ...["sqlite_log", "writefile", "zipfile", "zipfile_cds"],
]);
/** Modules of virtual tables that do so. */
const MODULES = new Set(["csv", "dbdata", "fsdir", "sqlite_dbdata", "sqlite_dbptr", "zipfile"]);
/** After these keywords, a name with parentheses is a table with its columns, not a function. */
const NAMING = new Set(["TABLE", "VIEW", "EXISTS", "REFERENCES", "INTO", "WITH", "RECURSIVE", "."]);

/**
 * Return the function or module that a CREATE statement uses to run a command or to reach a file when a
 * shell loads it; undefined if it uses none. A DEFAULT runs there even with `sqlite3 -safe`.
 */
export function reachingName(sql: string): string | undefined {
  const next = tokenReader(sql);
  let before = END;
  let last: Token = END;
  let isIndex = false;
  for (let token = next(); token !== END; before = last, last = token, token = next()) {
    isIndex ||= token.word === "INDEX" && /^(?:CREATE|UNIQUE)$/.test(last.word);
    if (last.word === "USING" && MODULES.has(lowerName(token.text))) return token.text;
    if (token.word !== "(" || !FUNCTIONS.has(lowerName(last.text))) continue;
    if (NAMING.has(before.word)) continue;
    // The table of an index: `ON edit(a)`. What comes after it has no ON.
    if (isIndex && before.word === "ON") isIndex = false;
    else return last.text;
  }
  return undefined;
}
