import { createReadStream } from "node:fs";
import { lstat, rm } from "node:fs/promises";
import { isWhole, lowerName, type Selection, selectionOf } from "../../format/tables/selection.ts";
import { shadowOwners } from "../../format/sql/shadow-tables.ts";
import { stamp } from "../../plan/stamp.ts";
import { asOfWords } from "../as-of.ts";
import type { Client } from "../client.ts";
import { saveVerified } from "../files/download.ts";
import { CliError, EXIT } from "../exit.ts";
import { checkFile } from "../files/check-file.ts";
import { finishFile, seen } from "../files/finish-file.ts";
import { loadSql } from "../files/load-sql.ts";
import { download } from "../files/resume.ts";
import { print, printAside, printJson, size } from "../output.ts";
import { type Found, findSubject, type RestoreOptions } from "./options.ts";
import { refuseOpenDatabase, refuseTarget, target } from "./target.ts";
import type { Database } from "../sqlite/database.ts";
import { openGuarded } from "../sqlite/open-guarded.ts";
import { confirm } from "../terminal.ts";
import { copyPrivate, withUnfinished } from "../files/unfinished.ts";

/** Endings of the files that SQLite keeps beside a database that is open or was not closed well. */
const BESIDE = ["-wal", "-journal", "-shm"];

/**
 * Restore to an SQLite file. It is made and checked under another name beside `path` and takes its name
 * last, so that there is never half a file; an existing file is moved aside.
 *
 * @throws CliError
 */
export async function restoreToFile(
  client: Client,
  options: RestoreOptions,
  path: string,
): Promise<void> {
  const { dataOnly, overwrite, json } = options;
  const file = target(path);
  const selection = selectionOf(options);
  if (dataOnly && overwrite)
    throw new CliError(EXIT.usage, "--data-only adds to a file, and --overwrite replaces it.");
  await refuseTarget(file, overwrite || dataOnly).catch((error: unknown) => {
    throw error instanceof CliError && error.code === "FILE_EXISTS"
      ? new CliError(error.exit, error.message, {
          hint: "Name another file, or replace it with --overwrite: it is moved aside.",
          code: error.code,
        })
      : error;
  });
  await refuseOpenDatabase(file);
  const there = (await lstat(file).catch(() => undefined)) !== undefined;
  if (dataOnly && !there)
    throw new CliError(EXIT.usage, `There is no file ${file} to put rows into.`);

  const found = await findSubject(client, options);
  refuseVirtual(found, selection);
  const aside = there && !dataOnly ? `${file}.before-${stamp(Date.now())}` : null;
  if (options.dryRun) return printPlan(found, options, file, aside);
  if (aside !== null)
    await confirm({ what: file, lines: planLines(found, options, file, aside) }, options.yes);

  const made = `${file}.${process.pid}.restoring`;
  await withUnfinished(
    [made, `${made}.sql`, ...BESIDE.map((suffix) => made + suffix)],
    async () => {
      const before = dataOnly ? await seen(file) : undefined;
      const leftOut = await make(found, options, selection, made, file);
      const checked = await checkFile(made, found, options, leftOut);
      const kept = await finishFile(made, file, { replaces: there, aside, before });
      const bytes = (await lstat(file)).size;
      const notes = [
        ...leftOut.map((sql) => `needs libSQL, and is left out: ${sql}`),
        ...checked.notes,
        ...erasedNotes(found),
      ];
      if (json) {
        const { asOf, takenAt } = found;
        printJson({ file, bytes, asOf, takenAt, movedAside: kept, ...checked, notes });
      } else {
        for (const note of notes) printAside(`Note: ${note}`);
        if (kept !== null) print(`The file that was there before is ${kept}.`);
        print(`${file}: ${size(bytes)}, ${found.what}, ${asOfWords(found)}. ${checked.words}`);
      }
    },
  );
}

function erasedNotes({ erasures }: Found): string[] {
  if (erasures.length === 0) return [];
  const tables = [...new Set(erasures.map(({ table }) => table))].join(", ");
  return [
    `rows of ${tables} that were erased since then are left out (entries of the erasure list: ${erasures.length})`,
  ];
}

/** Make the database under the name `made`; what SQLite cannot hold of it is returned. */
async function make(
  found: Found,
  { json, dataOnly, tables }: RestoreOptions,
  selection: Selection,
  made: string,
  file: string,
): Promise<string[]> {
  if (found.open !== undefined && found.kind === "snapshot") {
    refusePart(selection);
    await found.open("db", made);
    return [];
  }
  if (isWhole(selection) && found.kind !== "dump" && found.erasures.length === 0) {
    const { url, digest } = await found.link("db");
    await saveVerified(url, digest, made, json);
    return [];
  }
  if (dataOnly) copyPrivate(file, made);
  const database = await openGuarded(made, "write");
  try {
    // What is lost when the machine fails is only a file that has no name yet.
    database.exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
    if (dataOnly) refuseUnfit(database, selection);
    const leftOut = await loadText(found, `${made}.sql`, database, selection, json);
    if (found.kind === "dump" && selection.schema && tables === undefined)
      database.exec(`PRAGMA user_version=${found.userVersion ?? 0}`);
    refuseMissing(database, tables ?? []);
    return leftOut;
  } finally {
    database.close();
  }
}

/** Load the SQL of what is restored; `file` is where it lies meanwhile if it has to be opened first. */
async function loadText(
  found: Found,
  file: string,
  database: Database,
  selection: Selection,
  quiet: boolean,
): Promise<string[]> {
  const kind = found.kind === "dump" ? "dump" : "written";
  if (found.open === undefined) {
    const { url, digest } = await found.link("sql");
    return loadSql((await download(url)).bytes, kind, digest?.sha256, database, selection, quiet);
  }
  try {
    await found.open("sql", file);
    return await loadSql(createReadStream(file), kind, undefined, database, selection, quiet);
  } finally {
    await rm(file, { force: true });
  }
}

/** Parts are taken out of a snapshot by Nightjar, which cannot read this one. */
function refusePart(selection: Selection): void {
  if (isWhole(selection)) return;
  throw new CliError(EXIT.refused, "An encrypted snapshot is restored as a whole.", {
    hint: "Restore it to a file, and take the tables from there: sqlite3 -safe whole.db '.dump users' | sqlite3 -safe part.db",
  });
}

/** A dump sets its virtual tables up by hand, which only works for all of it at once. */
function refuseVirtual({ kind, tables }: Found, selection: Selection): void {
  if (kind !== "dump" || isWhole(selection)) return;
  const wanted = (name: string) =>
    selection.tables === undefined || selection.tables.has(lowerName(name));
  const virtual = (tables ?? []).filter(({ name, rows }) => rows === null && wanted(name));
  if (virtual.length > 0)
    throw new CliError(
      EXIT.refused,
      `This backup is a dump, and the virtual tables of one come only with all of it: ${virtual.map(({ name }) => name).join(", ")}.`,
      { hint: "Restore the whole, or name the other tables with --tables." },
    );
}

/** Rows go only into tables that are empty, and that run nothing of their own on every row. */
function refuseUnfit(database: Database, selection: Selection): void {
  const rows = database
    .prepare(
      "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~'",
    )
    .all();
  // A table that a virtual one keeps its content in has rows from the start.
  const shadows = shadowOwners(
    rows.map(({ name, sql }) => ({ name: String(name), sql: sql === null ? null : String(sql) })),
  );
  const wanted = (name: unknown) =>
    selection.tables === undefined || selection.tables.has(lowerName(String(name)));
  for (const { type, name, tbl_name: table, rootpage } of rows) {
    if (!wanted(table)) continue;
    if (type === "trigger")
      throw new CliError(
        EXIT.refused,
        `The trigger ${String(name)} of the file would run on every row.`,
        {
          hint: "Drop it, restore the rows, and create it again.",
        },
      );
    if (type !== "table" || rootpage === 0 || shadows.has(String(name))) continue;
    const quoted = `"${String(name).replaceAll('"', '""')}"`;
    if (database.prepare(`SELECT 1 FROM ${quoted} LIMIT 1`).get() !== undefined)
      throw new CliError(EXIT.refused, `The table ${String(name)} of the file has rows.`, {
        hint: "Empty it first: rows are restored into empty tables only.",
      });
  }
}

function refuseMissing(database: Database, tables: readonly string[]): void {
  for (const name of tables)
    if (
      database
        .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE")
        .get(name) === undefined
    )
      throw new CliError(EXIT.refused, `There is no table ${name} in it.`);
}

/** The tables that are restored, as far as they are known, and whether only a part of each is. */
function choiceOf({ tables }: Found, options: RestoreOptions) {
  const selection = selectionOf(options);
  const chosen = tables?.filter(
    ({ name }) => selection.tables === undefined || selection.tables.has(lowerName(name)),
  );
  const only = options.schemaOnly ? "schema" : options.dataOnly ? "data" : null;
  return { chosen, only };
}

function printPlan(
  found: Found,
  options: RestoreOptions,
  file: string,
  aside: string | null,
): void {
  if (!options.json) {
    for (const line of planLines(found, options, file, aside)) print(line);
    return;
  }
  const { what, kind, asOf, takenAt, bytes, loss } = found;
  const { chosen, only } = choiceOf(found, options);
  const about = { what, kind, asOf, takenAt, bytes };
  printJson({ ...about, file, movesAside: aside, only, tables: chosen ?? null, loss });
}

function planLines(
  found: Found,
  options: RestoreOptions,
  file: string,
  aside: string | null,
): string[] {
  const { what, kind, bytes, loss } = found;
  const { chosen, only } = choiceOf(found, options);
  return [
    `Would restore ${what} ${asOfWords(found)} (${kind}, ${size(bytes)}) to ${file}.`,
    ...(only === null ? [] : [`Only the ${only}.`]),
    ...(options.tables === undefined || chosen !== undefined
      ? []
      : [`Only the tables ${options.tables.join(", ")}.`]),
    ...(chosen ?? []).map(({ name, rows }) => `  ${name}${rows === null ? "" : `: ${rows} rows`}`),
    ...(aside === null ? [] : [`The existing file would become ${aside}.`]),
    loss.words,
  ];
}
