/** SQLite's result codes that matter here (https://sqlite.org/rescode.html). */
export const CODE = {
  OK: 0,
  NOMEM: 7,
  INTERRUPT: 9,
  TOOBIG: 18,
  CONSTRAINT: 19,
  AUTH: 23,
  ROW: 100,
  DONE: 101,
} as const;

/** Limits of a connection (https://sqlite.org/c3ref/c_limit_attached.html). */
export const LIMIT = { LENGTH: 0, VDBE_OP: 5, FUNCTION_ARG: 6, ATTACHED: 7, PATTERN: 8 } as const;

/** SQLite's storage classes (https://sqlite.org/c3ref/c_blob.html). */
export const TYPE = { INTEGER: 1, REAL: 2, TEXT: 3, BLOB: 4, NULL: 5 } as const;

/** What a statement does, as an authorizer is asked (https://sqlite.org/c3ref/c_alter_table.html). */
export const ACTION = {
  CREATE_INDEX: 1,
  CREATE_TABLE: 2,
  CREATE_TEMP_INDEX: 3,
  CREATE_TEMP_TABLE: 4,
  CREATE_TRIGGER: 7,
  CREATE_VIEW: 8,
  DELETE: 9,
  DROP_INDEX: 10,
  DROP_TABLE: 11,
  DROP_TEMP_INDEX: 12,
  DROP_TEMP_TABLE: 13,
  INSERT: 18,
  PRAGMA: 19,
  READ: 20,
  SELECT: 21,
  TRANSACTION: 22,
  UPDATE: 23,
  ATTACH: 24,
  DETACH: 25,
  REINDEX: 27,
  ANALYZE: 28,
  CREATE_VTABLE: 29,
  FUNCTION: 31,
  SAVEPOINT: 32,
  RECURSIVE: 33,
} as const;
