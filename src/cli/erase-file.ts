import { DatabaseSync } from "node:sqlite";
import { type Erased, type Erasure, isErased } from "../format/erasure.ts";
import { lowerName } from "../format/selection.ts";
import { isFullText } from "../format/virtual-module.ts";
import { CliError, EXIT } from "./exit.ts";

/** A trigger may write again what another entry has taken out: so often is looked, at the most. */
const ROUNDS = 5;

/**
 * Delete the rows of an erasure list from a database file, and write the file anew without their bytes.
 * Triggers run, as they would at the source; foreign keys do not. What Nightjar does with what it can
 * read (sqlite/erase.ts), done on the machine that has opened an encrypted backup.
 *
 * @throws CliError `ERASURE_FAILED`: then the file must not be kept
 */
export function eraseFromFile(file: string, erasures: readonly Erasure[]): Erased {
  // Defensive SQLite refuses what virtual tables need.
  const database = new DatabaseSync(file, { defensive: false, readOnly: false });
  try {
    database.exec("PRAGMA foreign_keys=OFF; PRAGMA journal_mode=OFF; PRAGMA secure_delete=ON");
    const { targets, unapplied } = targetsIn(database, erasures);
    const rows = new Map<string, number>();
    for (let round = 0; ; round++) {
      const before = total(rows);
      for (const target of targets) {
        const gone = remove(database, target);
        if (gone > 0) rows.set(target.table, (rows.get(target.table) ?? 0) + gone);
      }
      if (total(rows) === before) break;
      if (round === ROUNDS) throw new Error("triggers write the erased rows again");
    }
    if (rows.size > 0) mergeFullText(database);
    database.exec("VACUUM");
    return { tables: [...rows].map(([table, count]) => ({ table, rows: count })), unapplied };
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CliError(EXIT.failed, `The rows on the erasure list cannot be deleted: ${why}.`, {
      hint: "Nothing was kept. Open what is stored with age, and delete the rows with libSQL's own tools.",
      code: "ERASURE_FAILED",
    });
  } finally {
    database.close();
  }
}

interface Target {
  readonly table: string;
  readonly column: string;
  readonly matching: readonly Erasure[];
}

/** The columns that tell whose a row is, and the entries about them; a table that is not there has no rows. */
function targetsIn(
  database: DatabaseSync,
  erasures: readonly Erasure[],
): { targets: Target[]; unapplied: Erased["unapplied"] } {
  const targets: Target[] = [];
  const unapplied: { table: string; column: string }[] = [];
  const columnsOf = database.prepare("SELECT name FROM pragma_table_xinfo(?)");
  for (const [table, entries] of Map.groupBy(erasures, (entry) => entry.table)) {
    const columns = columnsOf.all(table).map(({ name }) => lowerName(String(name)));
    if (columns.length === 0) continue;
    for (const [column, matching] of Map.groupBy(entries, (entry) => entry.column))
      if (columns.includes(lowerName(column))) targets.push({ table, column, matching });
      else unapplied.push({ table, column });
  }
  return { targets, unapplied };
}

/** @returns how many rows are gone */
function remove(database: DatabaseSync, { table, column, matching }: Target): number {
  // As a blob: text may hold a NUL, or not be UTF-8.
  const key = `CAST(CAST(${quoted(column)} AS TEXT) AS BLOB)`;
  const keys = database
    .prepare(`SELECT DISTINCT ${key} AS key FROM ${quoted(table)} WHERE ${quoted(column)} NOTNULL`)
    .all() as { key: Uint8Array }[];
  let gone = 0;
  for (const { key: found } of keys) {
    if (!matching.some((erasure) => isErased(erasure, found))) continue;
    const count = database.prepare(`SELECT count(*) AS n FROM ${quoted(table)} WHERE ${key} = ?`);
    gone += Number(count.get(found)?.["n"]);
    database.prepare(`DELETE FROM ${quoted(table)} WHERE ${key} = ?`).run(found);
  }
  return gone;
}

/** Full-text indexes keep the words of deleted rows until their parts are merged. */
function mergeFullText(database: DatabaseSync): void {
  const tables = database
    .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND rootpage = 0")
    .all() as { name: string; sql: string }[];
  for (const { name, sql } of tables)
    if (isFullText(sql))
      database.exec(`INSERT INTO ${quoted(name)}(${quoted(name)}) VALUES('optimize')`);
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function total(rows: ReadonlyMap<string, number>): number {
  return [...rows.values()].reduce((sum, count) => sum + count, 0);
}
