/** The part of a database to restore. */
export interface Selection {
  /** Names of tables, in lower case as SQLite compares them; undefined for the whole database. */
  readonly tables: ReadonlySet<string> | undefined;
  /** Names of tables that are left out nevertheless, in lower case. */
  readonly except?: ReadonlySet<string>;
  /** The statements that make tables, indexes, views and triggers. */
  readonly schema: boolean;
  readonly rows: boolean;
}

export const EVERYTHING: Selection = { tables: undefined, schema: true, rows: true };

/**
 * Convert a name to lower case as SQLite compares names: ASCII letters only
 * (https://sqlite.org/datatype3.html, NOCASE).
 */
export function lowerName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

export function selectionOf(options: {
  tables?: readonly string[] | undefined;
  schemaOnly: boolean;
  dataOnly: boolean;
}): Selection {
  const { tables, schemaOnly, dataOnly } = options;
  return {
    tables: tables === undefined ? undefined : new Set(tables.map(lowerName)),
    schema: !dataOnly,
    rows: !schemaOnly,
  };
}

export function isWhole({ tables, schema, rows }: Selection): boolean {
  return tables === undefined && schema && rows;
}

/** Return true if a table of this name, and what belongs to it, is selected. */
export function selects({ tables, except }: Selection, name: string): boolean {
  const lower = lowerName(name);
  if (except?.has(lower) === true) return false;
  return tables === undefined || tables.has(lower);
}
