import { addNames, fullTextOf } from "../format/sql/full-text.ts";
import { lowerName } from "../format/tables/selection.ts";
import { type ErasingDatabase, failed, failErasure, textsOf } from "./port.ts";
import { quoteName } from "../format/sql/quote.ts";

/**
 * Remove the words of deleted rows from the full-text indexes that have them. An index that is not related
 * to the tables that lost rows is left alone, so its module may be missing. An index over a view counts as
 * related.
 *
 * @param erased the tables that rows were deleted from, in lower case
 * @param named the tables that the list names, in lower case
 * @param aside the table that holds the triggers
 * @throws NightjarError `ERASURE_FAILED` for an index that keeps the words
 */
export async function cleanFullText(
  database: ErasingDatabase,
  erased: ReadonlySet<string>,
  named: ReadonlySet<string>,
  aside: string,
): Promise<void> {
  const views = new Set(await namesOf(database, "view"));
  /** Names in the triggers of the tables that lost rows, by table. */
  const filled = new Map<string, Set<string>>();
  await database.each(`SELECT tbl_name, sql FROM ${aside} WHERE type = 'trigger'`, [], (row) => {
    const table = lowerName(row.text(0));
    if (!erased.has(table)) return;
    filled.set(table, addNames(filled.get(table) ?? new Set(), row.text(1)));
  });
  for (const sql of await textsOf(
    database,
    "SELECT sql FROM sqlite_schema WHERE type = 'table' AND rootpage = 0 AND sql NOTNULL",
    [],
  )) {
    const index = fullTextOf(sql);
    if (index === undefined) continue;
    const { name, content } = index;
    if (erased.has(lowerName(name))) await command(database, name, "optimize");
    else if (erased.has(content) || views.has(content)) await command(database, name, "rebuild");
    else if (!named.has(lowerName(name)))
      for (const [table, words] of filled)
        if (words.has(lowerName(name))) throw keepsWords(name, table);
  }
}

async function namesOf(database: ErasingDatabase, type: string): Promise<string[]> {
  const found = await textsOf(database, "SELECT name FROM sqlite_schema WHERE type = ?1", [type]);
  return found.map(lowerName);
}

function command(database: ErasingDatabase, name: string, what: string): Promise<void> {
  const sql = `INSERT INTO ${quoteName(name)}(${quoteName(name)}) VALUES('${what}')`;
  return failErasure(`The full-text index ${name} keeps words of rows that are erased`, () =>
    database.each(sql, [], () => undefined),
  );
}

function keepsWords(index: string, table: string): Error {
  return failed(
    `The full-text index ${index} is filled by triggers of ${table}, and keeps words of rows that are erased.`,
    `Nothing was given. Name ${index} in the erasure list too; or withdraw the entries, restore, and delete the rows by hand.`,
  );
}
