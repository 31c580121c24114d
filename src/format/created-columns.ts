import { END, tokenReader } from "./sql-tokens.ts";

/** With one of these the columns end. */
const CONSTRAINTS = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];

/**
 * The columns that a row has where an INSERT names none, by the table's CREATE statement: all but the
 * generated ones, without quotes.
 */
export function createdColumns(create: string): string[] {
  const next = tokenReader(create);
  const columns: string[] = [];
  let depth = 0;
  let begins = false;
  for (let token = next(); token !== END; token = next()) {
    const { word, text } = token;
    if (begins) {
      if (CONSTRAINTS.includes(word)) break;
      columns.push(text);
      begins = false;
    } else if (word === "(") begins = ++depth === 1;
    else if (word === ")") depth--;
    else if (depth === 1 && word === ",") begins = true;
    else if (depth === 1 && word === "AS") columns.pop();
  }
  return columns;
}
