/**
 * The actions that a query to a backup may take, as SQLite's authorizer asks while it prepares a statement
 * (https://sqlite.org/c3ref/c_alter_table.html has the action codes). The image cannot be changed in any
 * case. This refuses what would change the connection, and says so plainly.
 */
export const DELETE = 9;
export const INSERT = 18;
export const PRAGMA = 19;
export const READ = 20;
export const SELECT = 21;
export const UPDATE = 23;
const ATTACH = 24;
const DETACH = 25;
export const FUNCTION = 31;
export const RECURSIVE = 33;

/**
 * Pragmas that only read, with any argument (https://sqlite.org/pragma.html). `table_list` is not among
 * them: it prepares every view of the schema at once, and nothing can interrupt that.
 */
const READING = new Set([
  "collation_list",
  "compile_options",
  "database_list",
  "foreign_key_check",
  "foreign_key_list",
  "function_list",
  "index_info",
  "index_list",
  "index_xinfo",
  "integrity_check",
  "module_list",
  "pragma_list",
  "quick_check",
  "table_info",
  "table_xinfo",
]);

/** Pragmas that read without an argument and set something with one. */
const READING_BARE = new Set([
  "application_id",
  "auto_vacuum",
  "data_version", // FTS5 asks for it
  "encoding",
  "freelist_count",
  "page_count",
  "page_size",
  "schema_version",
  "user_version",
]);

/** Functions that reach beyond their arguments, in any build of SQLite. */
const REFUSED_FUNCTIONS = new Set([
  "edit",
  "fts3_tokenizer",
  "load_extension",
  "readfile",
  "sqlite_log",
  "writefile",
]);

/** Pragmas that our own statements use in addition to those that a query may use. */
const OWN_PRAGMAS = new Set([
  "cache_size",
  "foreign_keys",
  "ignore_check_constraints",
  "journal_mode",
  "query_only",
  "secure_delete",
  "temp_store",
  "writable_schema",
]);

/**
 * Return true for what no connection may ever do, whatever runs on it: reach another database or file, load
 * code, or use a pragma that neither a query nor our own statements use.
 */
export function denies(action: number, first: string, second: string | null): boolean {
  switch (action) {
    case ATTACH:
    case DETACH:
      return true;
    case FUNCTION:
      return REFUSED_FUNCTIONS.has((second ?? "").toLowerCase());
    case PRAGMA: {
      const name = first.toLowerCase();
      return !READING.has(name) && !READING_BARE.has(name) && !OWN_PRAGMAS.has(name);
    }
    default:
      return false;
  }
}

/** Return why the action is refused; undefined if it is allowed. */
export function refusal(action: number, first: string, second: string | null): string | undefined {
  switch (action) {
    case SELECT:
    case READ:
    case RECURSIVE:
      return undefined;
    case FUNCTION:
      return REFUSED_FUNCTIONS.has((second ?? "").toLowerCase())
        ? `The function ${second}() may not be called.`
        : undefined;
    case PRAGMA: {
      const name = first.toLowerCase();
      if (READING.has(name) || (READING_BARE.has(name) && second === null)) return undefined;
      return `PRAGMA ${first} may not be ${second === null ? "run" : "set"}.`;
    }
    case ATTACH:
    case DETACH:
      return "Other databases may not be attached or detached.";
    default:
      return "The statement does more than read.";
  }
}
