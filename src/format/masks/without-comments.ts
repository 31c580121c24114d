import { END, tokenReader } from "../sql/tokens.ts";

/** Return the SQL with a space in the place of each comment. */
export function withoutComments(sql: string): string {
  if (!sql.includes("--") && !sql.includes("/*")) return sql;
  const next = tokenReader(sql);
  let text = "";
  let end = 0;
  for (let token = next(); token !== END; token = next()) {
    const gap = sql.slice(end, token.start);
    text += (/--|\/\*/.test(gap) ? " " : gap) + sql.slice(token.start, token.end);
    end = token.end;
  }
  return text;
}
