import { quoteText } from "../sql/quote.ts";

/** Return the row of sqlite_schema that makes a virtual table, in a form that every SQLite reads. */
export function restoredSchemaRow(name: string, sql: string): string {
  const [quotedName, text] = [name, sql].map(quoteText);
  return `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table',${quotedName},${quotedName},0,${text});`;
}
