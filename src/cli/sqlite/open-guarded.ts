import { lowerName } from "../../format/tables/selection.ts";
import { ACTION } from "../../sqlite/engine/codes.ts";
import type { Authorizer, Database } from "./database.ts";
import { isNativeGuarded, openNative } from "./native.ts";
import { openInWasm } from "./in-wasm.ts";

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

const READS = new Set<number>([ACTION.SELECT, ACTION.READ, ACTION.RECURSIVE]);
const WRITES = new Set<number>([
  ...[ACTION.CREATE_INDEX, ACTION.CREATE_TABLE, ACTION.CREATE_TRIGGER],
  ...[ACTION.CREATE_VIEW, ACTION.CREATE_VTABLE, ACTION.DROP_TABLE],
  ...[ACTION.DROP_INDEX, ACTION.INSERT, ACTION.UPDATE, ACTION.DELETE],
  ...[ACTION.ANALYZE, ACTION.REINDEX, ACTION.TRANSACTION],
  ...[ACTION.SAVEPOINT],
]);
/** Bytes that an erasure keeps in memory. */
const TEMPORARY = new Set<number>([
  ...[ACTION.CREATE_TEMP_TABLE, ACTION.DROP_TEMP_TABLE],
  ...[ACTION.CREATE_TEMP_INDEX, ACTION.DROP_TEMP_INDEX],
]);

/** The uses of a guarded database. */
export type Use = "read" | "write";

/**
 * Open a database file whose schema or SQL comes from a source. Nothing in it reaches another file: no
 * database can be attached, no extension loaded, no file function called, and a `read` changes nothing.
 * SQLite is that of Node, which has more modules and functions, where it can be guarded (24.10 and newer);
 * else the one in WebAssembly.
 *
 * @param copy the one file that VACUUM INTO may write
 * @param isNative whether SQLite is Node's
 * @throws what SQLite says of the file
 */
export async function openGuarded(
  file: string,
  use: Use,
  copy?: string,
  isNative = isNativeGuarded(),
): Promise<Database> {
  const readOnly = use === "read";
  const allows: Authorizer = (...asked) => isAllowed(copy, ...asked);
  const database = isNative
    ? openNative(file, readOnly, allows)
    : await openInWasm(file, readOnly, allows, copy);
  try {
    database.exec("PRAGMA trusted_schema=OFF");
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

function isAllowed(
  copy: string | undefined,
  action: number,
  first: string | null,
  second: string | null,
  schema: string | null,
): boolean {
  if (READS.has(action)) return true;
  if (action === ACTION.FUNCTION) return !REACHING.has(lowerName(second ?? ""));
  if (action === ACTION.PRAGMA) {
    const name = lowerName(first ?? "");
    return READING.has(name) || SETTING.has(name);
  }
  // VACUUM attaches the file under such a name, and copies into it.
  if (action === ACTION.ATTACH) return copy !== undefined && first === copy;
  if (copy !== undefined && (schema === "temp" || schema?.startsWith("vacuum_") === true))
    return WRITES.has(action) || TEMPORARY.has(action);
  // Where only reading is meant, the file is open for that alone; virtual tables make theirs known by CREATE.
  return WRITES.has(action) && (schema === null || schema === "main");
}
