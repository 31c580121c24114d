import { constants as sqlite, DatabaseSync } from "node:sqlite";
import { lowerName } from "../../format/tables/selection.ts";
import { CliError, EXIT } from "../exit.ts";

/** Pragmas that only tell something of the database. */
const READING = new Set([
  ...[
    "data_version",
    "encoding",
    "foreign_key_check",
    "index_info",
    "index_list",
    "integrity_check",
  ],
  ...["page_count", "page_size", "quick_check", "table_info", "table_xinfo"],
]);
/** Pragmas that a backup's SQL and its reading need. */
const SETTING = new Set([
  ...["application_id", "foreign_keys", "ignore_check_constraints", "journal_mode"],
  ...["synchronous", "temp_store"],
  ...["trusted_schema", "user_version", "writable_schema"],
]);

/** Functions that reach beyond the database, in any build of SQLite. */
const REACHING = new Set([
  ...["edit", "fts3_tokenizer", "load_extension", "readfile", "sqlite_log", "writefile", "zipfile"],
]);

const READS = new Set([sqlite.SQLITE_SELECT, sqlite.SQLITE_READ, sqlite.SQLITE_RECURSIVE]);
const WRITES = new Set([
  ...[sqlite.SQLITE_CREATE_INDEX, sqlite.SQLITE_CREATE_TABLE, sqlite.SQLITE_CREATE_TRIGGER],
  ...[sqlite.SQLITE_CREATE_VIEW, sqlite.SQLITE_CREATE_VTABLE, sqlite.SQLITE_DROP_TABLE],
  ...[sqlite.SQLITE_DROP_INDEX, sqlite.SQLITE_INSERT, sqlite.SQLITE_UPDATE, sqlite.SQLITE_DELETE],
  ...[sqlite.SQLITE_ANALYZE, sqlite.SQLITE_REINDEX, sqlite.SQLITE_TRANSACTION],
  ...[sqlite.SQLITE_SAVEPOINT],
]);
/** Bytes that an erasure keeps in memory. */
const TEMPORARY = new Set([
  ...[sqlite.SQLITE_CREATE_TEMP_TABLE, sqlite.SQLITE_DROP_TEMP_TABLE],
  ...[sqlite.SQLITE_CREATE_TEMP_INDEX, sqlite.SQLITE_DROP_TEMP_INDEX],
]);

/** The uses of a guarded database. */
export type Use = "read" | "write";

/**
 * Open a database file whose schema or SQL comes from a source. Nothing in it reaches another file: no
 * database can be attached, no extension loaded, no file function called, and a `read` changes nothing.
 *
 * @param copy the one file that VACUUM INTO may write
 * @throws CliError `failed` where this Node cannot guard it; what SQLite says of the file
 */
export function openGuarded(file: string, use: Use, copy?: string): DatabaseSync {
  const database = new DatabaseSync(file, {
    readOnly: use === "read",
    allowExtension: false,
    // Older schemas have double-quoted strings, as they were allowed where they were made.
    enableDoubleQuotedStringLiterals: true,
    // Defensive SQLite refuses the tables that virtual tables keep their content in.
    defensive: false,
  });
  try {
    guard(database, copy);
    database.exec("PRAGMA trusted_schema=OFF");
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

function guard(database: DatabaseSync, copy: string | undefined): void {
  if (typeof database.setAuthorizer !== "function")
    throw new CliError(
      EXIT.failed,
      `Node ${process.versions.node} cannot keep SQL from reaching other files, and SQL of a backup is run in no other way.`,
      { hint: "Install Node 24.10 or newer, and run the command again." },
    );
  database.setAuthorizer((action, first, second, schema) =>
    isAllowed(copy, action, first, second, schema) ? sqlite.SQLITE_OK : sqlite.SQLITE_DENY,
  );
}

function isAllowed(
  copy: string | undefined,
  action: number,
  first: string | null,
  second: string | null,
  schema: string | null,
): boolean {
  if (READS.has(action)) return true;
  if (action === sqlite.SQLITE_FUNCTION) return !REACHING.has(lowerName(second ?? ""));
  if (action === sqlite.SQLITE_PRAGMA) {
    const name = lowerName(first ?? "");
    return READING.has(name) || SETTING.has(name);
  }
  // VACUUM attaches the file under such a name, and copies into it.
  if (action === sqlite.SQLITE_ATTACH) return copy !== undefined && first === copy;
  if (copy !== undefined && (schema === "temp" || schema?.startsWith("vacuum_") === true))
    return WRITES.has(action) || TEMPORARY.has(action);
  // Where only reading is meant, the file is open for that alone; virtual tables make theirs known by CREATE.
  return WRITES.has(action) && (schema === null || schema === "main");
}
