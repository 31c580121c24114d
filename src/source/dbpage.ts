import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import { checkFirstPage } from "../format/pages/database-header.ts";
import { isPageSize, MOST_PAGES, type Page } from "../format/pages/page.ts";
import { readRow, readRows } from "../libsql/cursor.ts";
import type { Value } from "../libsql/hrana-messages.ts";
import type { PageEvent, PageSource, SchemaRow } from "./pages.ts";
import type { Source } from "../libsql/server.ts";
import { copyOf } from "../format/bytes/bytes.ts";

/** Characters of a schema that are taken into memory at most. */
const LONGEST_SCHEMA = 8 * 1024 * 1024;

/** Return true if the server was built with SQLite's table of pages (https://sqlite.org/dbpage.html). */
export async function offersImage(source: Source, deps: Deps): Promise<boolean> {
  const sql = "SELECT 1 FROM pragma_module_list WHERE name = 'sqlite_dbpage'";
  return (await readRow(source, deps, sql)) !== undefined;
}

/** Return a source of whole images by `sqlite_dbpage`, each in one read transaction. It has no increments. */
export function imageSource(source: Source, deps: Deps): PageSource {
  return {
    protocol: "dbpage",
    pull: () => readImage(source, deps, "the server offers whole images only"),
  };
}

/**
 * Read all pages of the database in one read transaction: a base event, the pages in ascending order, a
 * commit event. Meanwhile the server's WAL cannot be checkpointed past the transaction, but writers go on.
 *
 * @param withSchema also read the schema, for a caller that cannot read it from the stored file
 * @throws NightjarError as `readRows`; `PAGES_INVALID` for a page that is missing or of a wrong size
 */
export async function* readImage(
  source: Source,
  deps: Deps,
  why: string,
  withSchema: boolean = false,
): AsyncIterable<PageEvent> {
  // BEGIN takes effect with the first read, so all of it is of the same moment.
  const statements = [
    "BEGIN",
    `SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE ${withSchema} ORDER BY rowid`,
    "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size",
    "SELECT pgno, data FROM sqlite_dbpage",
    "COMMIT",
  ];
  let size: { pageCount: number; pageSize: number } | undefined;
  const schema: SchemaRow[] = [];
  let schemaLength = 0;
  let next = 1;
  for await (const rows of readRows(source, deps, statements)) {
    const pages: Page[] = [];
    for (const { statement, values } of rows) {
      const [first, second] = values;
      if (statement === 1) {
        const row = schemaRow(values);
        schema.push(row);
        schemaLength += row.name.length + (row.sql?.length ?? 0);
        if (schemaLength > LONGEST_SCHEMA)
          throw new NightjarError(
            "PAGES_INVALID",
            `The server's schema has more than ${LONGEST_SCHEMA} characters.`,
          );
      } else if (statement === 2) {
        size = sizeOf(values);
        yield { kind: "base", why, ascending: true, ...size, ...(withSchema && { schema }) };
      } else {
        if (!(second instanceof Uint8Array) || second.length !== size?.pageSize)
          throw new NightjarError("PAGES_INVALID", `Page ${String(first)} has a wrong size.`);
        if (Number(first) !== next)
          throw new NightjarError(
            "PAGES_INVALID",
            `The server sent page ${String(first)} where page ${next} should come.`,
          );
        const page = { pgno: next++, data: second };
        checkFirstPage(page);
        pages.push(page);
      }
    }
    if (pages.length > 0) yield { kind: "pages", pages };
  }
  if (size === undefined || next - 1 !== size.pageCount)
    throw new NightjarError(
      "PAGES_INVALID",
      `The server sent ${next - 1} of ${size?.pageCount} pages.`,
    );
  const cursor = { protocol: "dbpage" } as const;
  yield { kind: "commit", pageCount: size.pageCount, at: null, commits: 1, cursor };
}

/** Read some pages as they are now. @throws NightjarError as `readRows` */
export async function readPages(
  source: Source,
  deps: Deps,
  pgnos: readonly number[],
): Promise<Page[]> {
  const pages: Page[] = [];
  const sql = `SELECT pgno, data FROM sqlite_dbpage WHERE pgno IN (${pgnos.join(",")})`;
  for await (const rows of readRows(source, deps, [sql]))
    for (const { values } of rows)
      if (values[1] instanceof Uint8Array)
        pages.push({ pgno: Number(values[0]), data: copyOf(values[1]) });
  return pages;
}

/** @throws NightjarError `PAGES_INVALID` for numbers that no database has */
function sizeOf(values: readonly Value[]): { pageCount: number; pageSize: number } {
  const [pageCount, pageSize] = [Number(values[0]), Number(values[1])];
  if (Number.isInteger(pageCount) && pageCount >= 0 && pageCount <= MOST_PAGES)
    if (isPageSize(pageSize)) return { pageCount, pageSize };
  throw new NightjarError(
    "PAGES_INVALID",
    `The server tells of ${pageCount} pages of ${pageSize} bytes, which no database has.`,
  );
}

function schemaRow([type, name, table, rootpage, sql]: readonly Value[]): SchemaRow {
  return {
    type: String(type),
    name: String(name),
    table: String(table),
    rootpage: Number(rootpage ?? 0),
    sql: sql === null || sql === undefined ? null : String(sql),
  };
}
