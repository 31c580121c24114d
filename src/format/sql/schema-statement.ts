import { reachingName } from "./reaching.ts";
import { END, type Token, tokenReader } from "./tokens.ts";

/** The types of rows in sqlite_schema that have a statement. */
export type SchemaType = "table" | "index" | "view" | "trigger";

/**
 * Return why the text of a row of sqlite_schema is not exactly one CREATE statement of its type; undefined
 * if it is. SQLite itself parses only the first statement of such a text, so a file can carry others after
 * it, which would run when the text is loaded as SQL.
 *
 * The text must have a form on which SQLite's parser and sqlite3_complete agree, as shells split what they
 * load by the latter: no semicolon except in a trigger's body, no Tcl variable with parentheses, no NUL, no
 * vertical tab or byte order mark between two words. It must not use functions or modules that run commands
 * or reach files where a shell loads it.
 */
export function schemaFault(type: SchemaType, sql: string): string | undefined {
  if (sql.includes("\0")) return "it has a NUL byte";
  if (hasStrangeBlank(sql)) return "it has a white space that a shell does not know";
  const reaching = reachingName(sql);
  if (reaching !== undefined)
    return `it uses ${reaching}, which runs commands or reaches files where a shell loads it`;
  const next = tokenReader(sql);
  if (next().word !== "CREATE") return "it does not begin with CREATE";
  let kind = next();
  const virtual = type === "table" && kind.word === "VIRTUAL";
  if (virtual || (type === "index" && kind.word === "UNIQUE")) kind = next();
  if (kind.word !== type.toUpperCase()) return `it does not create a ${type}`;
  if (type === "table" && !virtual && !hasColumns(next)) return "it has no list of columns";
  return type === "trigger" ? bodyFault(next) : tailFault(next);
}

/**
 * Return true if a list of columns follows. SQLite keeps no `CREATE TABLE … AS SELECT`, which would run
 * when it is loaded.
 */
function hasColumns(next: () => Token): boolean {
  const name = next();
  if (name.word !== "IF") return next().word === "(";
  const words = [next().word, next().word];
  return words.join(" ") === "NOT EXISTS" && next() !== END && next().word === "(";
}

/** Check the rest of a table, an index or a view, which ends without a semicolon. */
function tailFault(next: () => Token): string | undefined {
  for (let token = next(); token !== END; token = next()) {
    if (token.word === ";") return "it has more than one statement";
    const fault = tokenFault(token);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Check the rest of a trigger. Its body ends with the first END after a semicolon, and nothing follows. */
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

/** Return true if there is a vertical tab or byte order mark that is white space to SQLite's parser alone. */
function hasStrangeBlank(sql: string): boolean {
  if (!/[\v\ufeff]/.test(sql)) return false;
  const next = tokenReader(sql);
  let end = 0;
  for (let token = next(); ; token = next()) {
    const gap = sql.slice(end, token === END ? sql.length : token.start);
    if (/[\v\ufeff]/.test(gap.replaceAll(/--[^\n]*|\/\*[^*]*(?:\*(?!\/)[^*]*)*/g, ""))) return true;
    if (token === END) return false;
    end = token.end;
  }
}

function tokenFault({ kind, text }: Token): string | undefined {
  if (kind === "unterminated") return "it has a quote that is not closed";
  // The text in the parentheses is a part of the variable to the parser, and SQL to a shell.
  if (kind === "variable" && text.includes("(")) return "it has a variable with parentheses";
  return undefined;
}
