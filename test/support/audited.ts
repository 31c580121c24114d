import { writeFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { PageAudit, type Root } from "../../src/format/pages/page-audit.ts";

/** A database file in memory, and SQLite's description of it. */
export interface MadeDatabase {
  readonly pageSize: number;
  readonly pageCount: number;
  readonly file: Uint8Array;
  readonly roots: readonly Root[];
  /** Rows of each table and index, by root page. */
  readonly rows: ReadonlyMap<number, number>;
}

/** Build a CTE of rows n(i) with i from 1 to `count`, for an INSERT … SELECT. */
export const ROWS = (count: number) =>
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;

/** Make a database from statements, in a new file at `path` that may `start` with bytes. */
export async function makeDatabase(
  path: string,
  pageSize: number,
  sql: string | readonly string[],
  start?: Uint8Array,
): Promise<MadeDatabase> {
  await rm(path, { force: true });
  if (start !== undefined) await writeFile(path, start);
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA page_size = ${pageSize}; PRAGMA synchronous = OFF;`);
  for (const statement of [sql].flat()) database.exec(statement);
  const roots = rootsOf(database);
  const rows = new Map<number, number>();
  const count = (table: string) =>
    Number(database.prepare(`SELECT count(*) AS n FROM "${table}"`).get()!["n"]);
  const tables = database
    .prepare("SELECT tbl_name, rootpage FROM sqlite_schema WHERE rootpage > 0")
    .all();
  for (const { tbl_name: table, rootpage } of tables)
    rows.set(Number(rootpage), count(String(table)));
  rows.set(1, count("sqlite_schema"));
  database.close();
  const file = new Uint8Array(await readFile(path));
  return { pageSize, pageCount: file.length / pageSize, file, roots, rows };
}

function rootsOf(database: DatabaseSync): Root[] {
  const found = database.prepare(`SELECT s.type, s.name, s.rootpage, l.wr
    FROM sqlite_schema s JOIN pragma_table_list l ON l.name = s.tbl_name WHERE s.rootpage > 0`);
  return found.all().map(({ type, name, rootpage, wr }) => ({
    type: String(type),
    name: String(name),
    rootpage: Number(rootpage),
    withoutRowid: wr === 1,
  }));
}

/** Return one page of a database, without a copy. */
export function pageOf(made: MadeDatabase, pgno: number, file = made.file): Uint8Array {
  return file.subarray((pgno - 1) * made.pageSize, pgno * made.pageSize);
}

/** Pass all pages to an audit, in memory that is overwritten after each, and end the audit. */
export function audit(made: MadeDatabase, file = made.file): Promise<Map<number, number>> {
  const pageAudit = new PageAudit(made);
  const lent = new Uint8Array(made.pageSize);
  for (let pgno = 1; pgno <= made.pageCount; pgno++) {
    lent.set(pageOf(made, pgno, file));
    pageAudit.add(pgno, lent);
    lent.fill(0xee);
  }
  return pageAudit.finish(made.roots, (pgno) => Promise.resolve(pageOf(made, pgno, file)));
}

/** Return the audit's finding for a file; undefined if nothing is wrong. */
export async function finding(made: MadeDatabase, file = made.file): Promise<string | undefined> {
  try {
    await audit(made, file);
    return undefined;
  } catch (thrown) {
    const { code, message } = thrown as { code?: string; message: string };
    if (code !== "OBJECT_CORRUPT") throw thrown;
    return message;
  }
}

/** Run SQLite's integrity_check on a file, written to `path`: an empty list if all is well. */
export function integrityCheck(path: string, file: Uint8Array): string[] {
  writeFileSync(path, file);
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const answers = database.prepare("PRAGMA integrity_check(1000)").all();
    const lines = answers.flatMap((row) => String(row["integrity_check"]).split("\n"));
    return lines.filter((line) => line !== "ok");
  } catch (thrown) {
    return [String(thrown)];
  } finally {
    database.close();
  }
}
