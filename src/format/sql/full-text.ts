import { lowerName } from "../tables/selection.ts";
import { END, type Token, tokenReader } from "./tokens.ts";

/** Modules that keep the words of the rows that they index, also of deleted rows. */
const FULL_TEXT = new Set(["fts3", "fts4", "fts5"]);

/** A full-text index, from the text that SQLite keeps of its CREATE statement. */
export interface FullText {
  /** The name as it was typed. */
  readonly name: string;
  /**
   * The table or view that holds what it indexes, in lower case; empty if there is none (`content=''`). For
   * an index with content of its own, the shadow table of that content.
   */
  readonly content: string;
  /** True if the content is its own. */
  readonly own: boolean;
}

/** Read the CREATE statement of a full-text index. @returns undefined for anything else */
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

/** Return the name of a virtual table from its CREATE statement; undefined for anything else. */
export function virtualName(sql: string): string | undefined {
  return readVirtual(sql)?.name;
}

/** Read a virtual table's name and module; `next` reads the tokens after them. */
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

/** Return the value of the option `content`. FTS5 accepts any beginning of that word for it. */
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

/** Add every name in a statement, in lower case; for a trigger, also the full-text indexes that it fills. */
export function addNames(names: Set<string>, sql: string): Set<string> {
  const next = tokenReader(sql);
  for (let token = next(); token !== END; token = next()) names.add(lowerName(token.text));
  return names;
}
