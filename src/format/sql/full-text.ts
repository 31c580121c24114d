import { lowerName } from "../tables/selection.ts";
import { END, type Token, tokenReader } from "./tokens.ts";

/** These keep words of the rows that they index, also of rows that are gone. */
const FULL_TEXT = new Set(["fts3", "fts4", "fts5"]);

/** A full-text index, by the text that SQLite keeps of its CREATE statement. */
export interface FullText {
  /** As it was typed. */
  readonly name: string;
  /**
   * The table or view that holds what it indexes, in lower case; empty where nothing does (`content=''`).
   * Of an index with content of its own it is the shadow table of that.
   */
  readonly content: string;
  /** Whether the content is its own. */
  readonly own: boolean;
}

/** @returns undefined for anything but a full-text index */
export function fullTextOf(sql: string): FullText | undefined {
  const virtual = readVirtual(sql);
  if (virtual === undefined || !FULL_TEXT.has(virtual.module)) return undefined;
  const { name, next } = virtual;
  const content = contentOf(next);
  return {
    name,
    content: content ?? lowerName(`${name}_content`),
    own: content === undefined,
  };
}

/** The name of a virtual table, by its CREATE statement; undefined for anything else. */
export function virtualName(sql: string): string | undefined {
  return readVirtual(sql)?.name;
}

/** A virtual table's name and module, and what reads the tokens after them. */
function readVirtual(sql: string): { name: string; module: string; next: () => Token } | undefined {
  const next = tokenReader(sql);
  if (next().word !== "CREATE" || next().word !== "VIRTUAL" || next().word !== "TABLE")
    return undefined;
  let name = next();
  if (name.word === "IF") {
    next(); // NOT
    next(); // EXISTS
    name = next();
  }
  let token = next();
  if (token.word === ".") {
    name = next();
    token = next();
  }
  if (token.word !== "USING") return undefined;
  return { name: name.text, module: lowerName(next().text), next };
}

/** The value of the option `content`. FTS5 takes any beginning of that word for it. */
function contentOf(next: () => Token): string | undefined {
  let depth = 0;
  let place = 0;
  let option = "";
  for (let token = next(); token !== END; token = next()) {
    const { word, text } = token;
    if (word === "(") depth++;
    if (word === ")") depth--;
    if (depth === 1 && (word === "(" || word === ",")) place = 0;
    else if (depth === 1 && ++place === 1) option = lowerName(text);
    else if (depth === 1 && place === 2 && word === "=")
      if (option !== "" && "content".startsWith(option)) return lowerName(next().text);
  }
  return undefined;
}

/** Add every name in a statement, in lower case: of a trigger the full-text indexes that it fills, say. */
export function addNames(names: Set<string>, sql: string): Set<string> {
  const next = tokenReader(sql);
  for (let token = next(); token !== END; token = next()) names.add(lowerName(token.text));
  return names;
}
