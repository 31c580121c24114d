import { END, type Token, tokenReader } from "./sql-tokens.ts";

/** The types of rows in sqlite_schema that have a statement. */
export type SchemaType = "table" | "index" | "view" | "trigger";

/**
 * Why the text of a row of sqlite_schema is not exactly one CREATE statement of its type; undefined if it
 * is. SQLite itself parses only the first statement of such a text, so that a file can carry others
 * after it, which would run when the text is loaded as SQL.
 *
 * The text is held to a form on which SQLite's parser and sqlite3_complete agree, as shells split what
 * they load by the latter: no semicolon but in a trigger's body, no Tcl variable, no NUL.
 */
export function schemaFault(type: SchemaType, sql: string): string | undefined {
  if (sql.includes("\0")) return "it has a NUL byte";
  const next = tokenReader(sql);
  if (next().word !== "CREATE") return "it does not begin with CREATE";
  let kind = next();
  if (type === "index" && kind.word === "UNIQUE") kind = next();
  if (type === "table" && kind.word === "VIRTUAL") kind = next();
  if (kind.word !== type.toUpperCase()) return `it does not create a ${type}`;
  return type === "trigger" ? bodyFault(next) : tailFault(next);
}

/** A table, an index or a view ends without a semicolon. */
function tailFault(next: () => Token): string | undefined {
  for (let token = next(); token !== END; token = next()) {
    if (token.word === ";") return "it has more than one statement";
    const fault = tokenFault(token);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** A trigger's body ends with the first END after a semicolon, and nothing comes after it. */
function bodyFault(next: () => Token): string | undefined {
  let afterSemicolon = false;
  for (let token = next(); token !== END; token = next()) {
    const fault = tokenFault(token);
    if (fault !== undefined) return fault;
    if (afterSemicolon && token.word === "END")
      return next() === END ? undefined : "it has more than one statement";
    afterSemicolon = token.word === ";";
  }
  return "its body does not end";
}

function tokenFault({ kind, text }: Token): string | undefined {
  if (kind === "unterminated") return "it has a quote that is not closed";
  // What is in the parentheses is a part of the variable to the parser, and SQL to a shell.
  if (kind === "variable" && text.includes("(")) return "it has a variable with parentheses";
  return undefined;
}
