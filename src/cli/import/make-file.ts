import { messageOf, NightjarError } from "../../errors/errors.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { moduleOf } from "../../format/sql/virtual-module.ts";
import { lowerName, type Selection } from "../../format/tables/selection.ts";
import { CliError, EXIT } from "../exit.ts";
import { SIDECAR, type Sidecar } from "../export/sidecar.ts";
import { checkFile } from "../files/check-file.ts";
import { Progress } from "../progress.ts";
import type { Database } from "../sqlite/database.ts";
import { openGuarded } from "../sqlite/open-guarded.ts";
import { RowComparer } from "./compare-rows.ts";
import { RowInserter } from "./insert-rows.ts";
import { type Later, loadSchema } from "./load-schema.ts";
import type { Exported } from "./open-export.ts";
import { readExported, readRows } from "./read-rows.ts";

/** The schema of the file: that of the export, or statements that make its tables. */
type Schema = "exported" | readonly string[];

/** A database file that was made of an export. */
export interface Made {
  readonly words: string;
  readonly notes: readonly string[];
  /** Statements of the schema that only libSQL can run, which the file was made without. */
  readonly leftOut: readonly string[];
}

/**
 * Make a database file of an export. Every file of the export is compared with its hash, every row is read
 * back and compared, and SQLite checks the whole.
 *
 * @param made a file that is not there, and that only this process knows
 * @throws CliError
 */
export async function makeFile(
  exported: Exported,
  schema: Schema,
  made: string,
  quiet: boolean,
): Promise<Made> {
  const progress = new Progress(quiet);
  let notes: string[];
  let leftOut: readonly string[];
  try {
    ({ notes, leftOut } = await make(exported, schema, made, progress));
    await compare(exported, made, progress);
  } catch (thrown) {
    if (thrown instanceof CliError) throw thrown;
    throw new CliError(EXIT.failed, `The import failed: ${messageOf(thrown)}.`, {
      hint: "Nothing was kept. Get the folder back as it was exported, or restore the backup: nightjar restore.",
      ...(thrown instanceof NightjarError && { code: thrown.code }),
    });
  } finally {
    progress.end();
  }
  const tables = exported.sidecar.tables.map(({ name, rows }) => ({ name, rows }));
  const options = { verify: true, schemaOnly: false, tables: undefined };
  const checked = await checkFile(made, { tables, erasures: [] }, options, leftOut);
  return { words: checked.words, notes: [...notes, ...checked.notes], leftOut };
}

async function make(
  { folder, sidecar, selection }: Exported,
  schema: Schema,
  made: string,
  progress: Progress,
): Promise<{ notes: string[]; leftOut: readonly string[] }> {
  const database = await openGuarded(made, "write");
  try {
    // What is lost when the machine fails is only a file that has no name yet.
    database.exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF");
    // Rows are taken as they are: a CHECK may be younger than they.
    database.exec("PRAGMA ignore_check_constraints=ON; BEGIN");
    const { statements, leftOut } = await makeSchema();
    refuseMissing(database, selection);
    for (const table of sidecar.tables) {
      const { name, columns } = table;
      const rows = new RowInserter(database, name, columns);
      for await (const batch of readRows(folder, sidecar, table)) {
        for (const values of batch) rows.insert(values);
        progress.show(`importing ${name}`);
      }
    }
    restoreSequences(database, sidecar);
    for (const statement of statements) database.exec(statement);
    const notes = rebuildIndexes(database, sidecar);
    database.exec("COMMIT");
    return { notes: [...notes, ...brokenReferences(database)], leftOut };
  } finally {
    database.close();
  }

  async function makeSchema(): Promise<Later> {
    if (schema === "exported")
      return loadSchema(readExported(folder, sidecar.schema!), database, selection);
    for (const sql of schema) database.exec(sql);
    return { statements: [], leftOut: [] };
  }
}

/** @throws CliError `usage` for a table that was asked for, and that the schema does not make */
function refuseMissing(database: Database, { tables }: Selection): void {
  const names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const made = new Set(names.map(({ name }) => lowerName(String(name))));
  const missing = [...(tables ?? [])].filter((name) => !made.has(name));
  if (missing.length === 0) return;
  throw new CliError(EXIT.usage, `The export has no table ${missing.join(", ")}.`, {
    hint: `Its tables are listed in ${SIDECAR}.`,
  });
}

/** Set AUTOINCREMENT's counters, which the INSERTs before have set to what they saw. */
function restoreSequences(database: Database, { tables }: Sidecar): void {
  for (const { name, sequence } of tables) {
    if (sequence === null) continue;
    database.prepare("DELETE FROM sqlite_sequence WHERE name = ?").run(name);
    database
      .prepare("INSERT INTO sqlite_sequence(name, seq) VALUES(?, ?)")
      .run(name, BigInt(sequence));
  }
}

/** Make full-text indexes of the tables that have their content, and tell what cannot be made. */
function rebuildIndexes(database: Database, { leftOut }: Sidecar): string[] {
  return leftOut.flatMap(({ name, why }) => {
    if (why !== "content elsewhere") return [`the virtual table ${name} has no rows: ${why}`];
    try {
      database.exec(`INSERT INTO ${quoteName(name)}(${quoteName(name)}) VALUES('rebuild')`);
      return [];
    } catch (thrown) {
      return [`the full-text index ${name} could not be built again: ${messageOf(thrown)}`];
    }
  });
}

/** Tell of references to rows that are not there, as they were not where they were exported, or by choice. */
function brokenReferences(database: Database): string[] {
  const broken = new Map<string, number>();
  try {
    for (const row of database.prepare("PRAGMA foreign_key_check").iterate()) {
      const table = String((row as Record<string, unknown>)["table"]);
      broken.set(table, (broken.get(table) ?? 0) + 1);
    }
  } catch (thrown) {
    return [`references were not checked: ${messageOf(thrown)}`];
  }
  return [...broken].map(
    ([table, rows]) => `rows of ${table} that refer to rows which are not there: ${rows}`,
  );
}

/** Read every row back. */
async function compare(
  { folder, sidecar }: Exported,
  made: string,
  progress: Progress,
): Promise<void> {
  const database = await openGuarded(made, "read");
  try {
    const virtual = new Set(
      database
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND rootpage = 0")
        .all()
        .filter((row) => moduleOf(String(row["sql"])) !== undefined)
        .map((row) => String(row["name"])),
    );
    for (const table of sidecar.tables) {
      const { name, columns } = table;
      const rows = new RowComparer(database, name, columns, {
        virtual: virtual.has(name),
        ordered: sidecar.sanitized !== true,
      });
      for await (const batch of readRows(folder, sidecar, table)) {
        for (const values of batch) rows.compare(values);
        progress.show(`comparing ${name}`);
      }
      rows.end();
    }
  } finally {
    database.close();
  }
}
