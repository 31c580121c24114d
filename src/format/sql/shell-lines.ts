import { END, tokenReader } from "./tokens.ts";

/** The start of a line that is a command or a comment of the sqlite3 shell. */
const COMMAND = /^[.#]/;
/** A line that ends a statement for the shell, as a semicolon does. */
const TERMINATOR = /^(?:go|\/)$/i;

/**
 * Return true if a line of the statement, except its first, is one that a sqlite3 shell of some version
 * takes for its own (process_input of https://sqlite.org/src/file/src/shell.c.in): a command, or a
 * terminator with nothing but comments after it. Lines inside of comments and of quotes count too.
 */
export function hasShellLine(sql: string): boolean {
  return sql
    .split("\n")
    .slice(1)
    .some((line) => COMMAND.test(line) || TERMINATOR.test(uncommented(line)));
}

/** Trim a line, and drop the comments after a terminator. */
function uncommented(line: string): string {
  const text = line.trim();
  const head = /^(?:go|\/)(?=\s|--|\/\*|$)/i.exec(text)?.[0];
  if (head === undefined) return text;
  return tokenReader(text.slice(head.length))() === END ? head : text;
}

/**
 * Return the statement with a comment before each terminator that is outside of quotes and comments, so
 * that no shell takes it for one. If no shell ends a statement early, none sees a command either. The
 * meaning stays the same.
 */
export function shieldTerminators(sql: string): string {
  const pieces: string[] = [];
  const next = tokenReader(sql);
  let from = 0;
  for (let token = next(), end = 0; token !== END; end = token.end, token = next()) {
    const { word, start } = token;
    if (word !== "GO" && word !== "/") continue;
    const gap = sql.slice(end, start);
    if (gap.slice(gap.lastIndexOf("\n") + 1).trim() !== "" || !gap.includes("\n")) continue;
    pieces.push(sql.slice(from, start), "/**/");
    from = start;
  }
  return pieces.join("") + sql.slice(from);
}
