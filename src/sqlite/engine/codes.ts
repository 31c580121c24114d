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
