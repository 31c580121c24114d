import { DatabaseSync } from "node:sqlite";

/** Tables whose rows the Worker's SQLite cannot read, or that hold what others are made of. */
export const UNREADABLE =
  /^(contentless|old_docs|boxes)(_|$)|_(data|idx|config|docsize|content|segdir|segments|stat|node|parent|rowid)$/;

/** Every row of the tables with their types and bytes, in the order of the table; the schema; counters. */
export function described(file: string, without: ReadonlySet<string> = new Set()): string[] {
  const db = new DatabaseSync(file, { readOnly: true });
  const schema = db
    .prepare("SELECT type, name, sql, rootpage FROM sqlite_schema ORDER BY type, name")
    .all();
  const lines = schema
    .filter(({ name }) => !String(name).startsWith("sqlite_"))
    .map(({ type, name, sql }) => [type, name, String(sql).trimEnd()].join(" "));
  lines.push(`user_version ${JSON.stringify(db.prepare("PRAGMA user_version").get())}`);
  for (const { type, name } of schema) {
    const table = String(name);
    if (type !== "table" || without.has(table) || table.startsWith("sqlite_stat")) continue;
    const quoted = `"${table.replaceAll('"', '""')}"`;
    const columns = db
      .prepare("SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1")
      .all(table)
      .map((column) => `"${String(column["name"]).replaceAll('"', '""')}"`);
    const each = columns.map(
      (column) => `typeof(${column})||' '||CASE typeof(${column})
      WHEN 'real' THEN printf('%!.20g', ${column}) WHEN 'integer' THEN ${column}
      ELSE hex(${column}) END`,
    );
    const key = /^(docs|f"q)$/.test(table) ? "rowid||' '||" : "";
    const rows = db
      .prepare(
        `SELECT ${key}${each.map((one) => `coalesce(${one},'null')`).join("||','||")} AS r FROM ${quoted}`,
      )
      .all();
    const texts = rows.map(({ r }) => `  ${table}: ${String(r)}`);
    lines.push(...(table === "sqlite_sequence" ? texts.toSorted() : texts));
  }
  db.close();
  return lines;
}
