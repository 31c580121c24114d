import { lstat } from "node:fs/promises";
import { messageOf, NightjarError } from "../../errors/errors.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { moduleOf } from "../../format/sql/virtual-module.ts";
import { CliError, EXIT } from "../exit.ts";
import { readSidecar, SIDECAR, type Sidecar } from "../export/sidecar.ts";
import { checkFile } from "../files/check-file.ts";
import { finishFile } from "../files/finish-file.ts";
import type { Database } from "../sqlite/database.ts";
import { openGuarded } from "../sqlite/open-guarded.ts";
import { withUnfinished } from "../files/unfinished.ts";
import { Progress } from "../progress.ts";
import { refuseOpenDatabase, refuseTarget } from "../restore/target.ts";
import { RowComparer } from "./compare-rows.ts";
import { RowInserter } from "./insert-rows.ts";
import { loadSchema } from "./load-schema.ts";
import { readExported, readRows } from "./read-rows.ts";

/** A database that was made of an export. */
export interface Imported {
  readonly sidecar: Sidecar;
  readonly bytes: number;
  readonly rows: number;
  readonly words: string;
  readonly notes: readonly string[];
}

/**
 * Make a new database file of a folder of an export. Every file is compared with its hash, every row is read
 * back and compared, and SQLite checks the whole before the file has its name.
 *
 * @throws CliError
 */
export async function importFolder(
  folder: string,
  file: string,
  { overwrite, quiet }: { readonly overwrite: boolean; readonly quiet: boolean },
): Promise<Imported> {
  await refuseTarget(file, overwrite);
  await refuseOpenDatabase(file);
  const sidecar = await readSidecar(folder);
  if (sidecar === undefined)
    throw new CliError(EXIT.usage, `${folder} is no folder of an export: it has no ${SIDECAR}.`, {
      hint: "`nightjar export <database> -o folder/` writes one.",
    });
  if (sidecar.schema === null)
    throw new CliError(EXIT.usage, `The export in ${folder} has no schema to make a database of.`, {
      hint: "Export again without --data-only.",
    });
  const made = `${file}.${process.pid}.restoring`;
  const beside = ["-wal", "-journal", "-shm"].map((suffix) => made + suffix);
  return withUnfinished([made, ...beside], async () => {
    const progress = new Progress(quiet);
    let notes: string[];
    let leftOut: readonly string[];
    try {
      ({ notes, leftOut } = await make(folder, sidecar, made, progress));
      await compare(folder, sidecar, made, progress);
    } catch (thrown) {
      if (thrown instanceof CliError) throw thrown;
      throw new CliError(EXIT.failed, `The import failed: ${messageOf(thrown)}.`, {
        hint: "Nothing was kept. Get the folder back as it was exported, or restore the backup: nightjar restore.",
        ...(thrown instanceof NightjarError && { code: thrown.code }),
      });
    } finally {
      progress.end();
    }
    const counted = sidecar.tables.map(({ name, rows }) => ({ name, rows }));
    const options = { verify: true, schemaOnly: false, tables: undefined };
    const checked = await checkFile(made, { tables: counted, erasures: [] }, options, leftOut);
    await finishFile(made, file, { replaces: overwrite });
    const { size: bytes } = await lstat(file);
    const rows = sidecar.tables.reduce((sum, table) => sum + table.rows, 0);
    return { sidecar, bytes, rows, words: checked.words, notes: [...notes, ...checked.notes] };
  });
}

async function make(
  folder: string,
  sidecar: Sidecar,
  made: string,
  progress: Progress,
): Promise<{ notes: string[]; leftOut: readonly string[] }> {
  const database = await openGuarded(made, "write");
  try {
    // What is lost when the machine fails is only a file that has no name yet.
    database.exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF");
    // Rows are taken as they are: a CHECK may be younger than they.
    database.exec("PRAGMA ignore_check_constraints=ON; BEGIN");
    const schema = readExported(folder, sidecar.schema!);
    const { statements, leftOut } = await loadSchema(schema, database);
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
    const notes = [
      ...leftOut.map((sql) => `needs libSQL, and is left out: ${sql}`),
      ...rebuildIndexes(database, sidecar),
    ];
    database.exec("COMMIT");
    return { notes: [...notes, ...brokenReferences(database)], leftOut };
  } finally {
    database.close();
  }
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
  folder: string,
  sidecar: Sidecar,
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
