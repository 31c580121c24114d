import { lowerName } from "../tables/selection.ts";
import { END, type Token, tokenReader } from "./tokens.ts";

const ROWIDS = ["rowid", "_rowid_", "oid"];
/** Words that a name follows, not a value. */
const NAMED = new Set([".", "COLLATE", "AS"]);
const ITEM_ENDS = new Set([",", ")", "COLLATE", "ASC", "DESC", "NULLS"]);

/**
 * Write the strings of a schema in the quotes that every SQLite takes for a string's. Text in double quotes
 * is a name, or a string if nothing has that name: SQLite accepts such old text in a file, and refuses it
 * as a new statement if it was built without that (https://sqlite.org/quirks.html#dblquote). This rewrites
 * the expressions that SQLite resolves when it makes the object: those of CHECKs, of generated columns, and
 * of indexes.
 *
 * @param columns all columns of the table, as it names them
 */
export function withStringLiterals(sql: string, columns: readonly string[]): string {
  if (!sql.includes('"')) return sql;
  const names = new Set([...columns, ...ROWIDS].map(lowerName));
  let text = "";
  let copied = 0;
  for (const { before, token, after: following, listed } of valuesIn(sql)) {
    if (sql[token.start] !== '"' || names.has(lowerName(token.text))) continue;
    const after = following.word;
    if (NAMED.has(before.word) || after === "." || after === "(") continue;
    const literal = `'${token.text.replaceAll("'", "''")}'`;
    // Alone in an index's list, a string in any quotes is the name of a column.
    const alone = listed && [",", "("].includes(before.word) && ITEM_ENDS.has(after);
    text += sql.slice(copied, token.start) + (alone ? `CAST(${literal} AS TEXT)` : literal);
    copied = token.end;
  }
  return text + sql.slice(copied);
}

/** A token in an expression, with its neighbours; `listed` in an index's list, outside of parentheses. */
interface Value {
  readonly before: Token;
  readonly token: Token;
  /** `END` if there is none. */
  readonly after: Token;
  readonly listed: boolean;
}

/** Yield the tokens in expressions, one after the other. */
function* valuesIn(sql: string): Generator<Value> {
  const next = tokenReader(sql);
  next(); // CREATE
  let before = next();
  const kind = before.word;
  const isIndex = kind === "INDEX" || kind === "UNIQUE";
  if (!isIndex && kind !== "TABLE") return;
  let depth = 0;
  let inside = 0; // the depth at which the expression began, 0 for none
  let where = false;
  let token = next();
  while (token !== END) {
    const { word } = token;
    const after = next();
    if (word === "(") {
      depth++;
      const opener = before.word;
      if (inside === 0 && (isIndex || opener === "CHECK" || opener === "AS")) inside = depth;
    } else if (word === ")") {
      if (depth === inside) inside = 0;
      depth--;
    } else if (isIndex && depth === 0 && word === "WHERE") where = true;
    if (inside > 0 || where)
      yield { before, token, after, listed: isIndex && !where && depth === 1 };
    before = token;
    token = after;
  }
}
