import { lowerName } from "./selection.ts";
import { END, tokenReader } from "./sql-tokens.ts";

/** These keep the words of deleted rows until their parts are merged. */
const FULL_TEXT = new Set(["fts3", "fts4", "fts5"]);

/**
 * The module of a virtual table, in lower case, by the text that SQLite keeps of its CREATE statement;
 * undefined for anything else. Names and comments in it are as somebody typed them.
 */
export function moduleOf(sql: string): string | undefined {
  const next = tokenReader(sql);
  if (next().word !== "CREATE" || next().word !== "VIRTUAL") return undefined;
  for (let token = next(); token !== END; token = next())
    if (token.word === "USING") return lowerName(next().text);
  return undefined;
}

/** Whether it makes a full-text index. */
export function isFullText(sql: string): boolean {
  return FULL_TEXT.has(moduleOf(sql) ?? "");
}
