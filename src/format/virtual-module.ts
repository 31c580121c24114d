import { lowerName } from "./selection.ts";
import { END, tokenReader } from "./sql-tokens.ts";

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
