import type { DatabaseSync, StatementSync } from "node:sqlite";
import { decode } from "../../format/bytes/bytes.ts";
import type { Authorizer, Bound, Database, Row, Statement, Value } from "./database.ts";

/** The first version of Node whose SQLite can be guarded. */
const GUARDED = [24, 10] as const;

/** Return true if the SQLite of this Node can be guarded. */
export function isNativeGuarded(version: string = process.versions.node): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > GUARDED[0] || (major === GUARDED[0] && minor >= GUARDED[1]);
}

/** Open a file with the SQLite of Node. */
export function openNative(file: string, readOnly: boolean, allows: Authorizer): Database {
  // An import would fail in a Node that has no SQLite.
  const { constants, DatabaseSync: Opened } = process.getBuiltinModule("node:sqlite");
  const database = new Opened(file, {
    ...{ readOnly, allowExtension: false },
    // Older schemas have double-quoted strings, as they were allowed where they were made.
    enableDoubleQuotedStringLiterals: true,
    // Defensive SQLite refuses the tables that virtual tables keep their content in.
    defensive: false,
  });
  database.setAuthorizer((action, first, second, schema) =>
    allows(action, first, second, schema) ? constants.SQLITE_OK : constants.SQLITE_DENY,
  );
  return new NativeDatabase(database);
}

class NativeDatabase implements Database {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  exec(sql: string | Uint8Array): void {
    this.#database.exec(typeof sql === "string" ? sql : decode(sql));
  }

  prepare(sql: string): Statement {
    return new NativeStatement(this.#database.prepare(sql));
  }

  close(): void {
    this.#database.close();
  }
}

class NativeStatement implements Statement {
  readonly #statement: StatementSync;

  constructor(statement: StatementSync) {
    this.#statement = statement;
    // Read as a bigint, an INTEGER is never refused.
    statement.setReadBigInts(true);
  }

  all(...args: readonly Bound[]): Row[] {
    return [...this.iterate(...args)];
  }

  get(...args: readonly Bound[]): Row | undefined {
    const row = this.#statement.get(...args);
    return row === undefined ? undefined : readRow(row);
  }

  run(...args: readonly Bound[]): void {
    this.#statement.run(...args);
  }

  *iterate(...args: readonly Bound[]): Iterable<Row> {
    this.#statement.setReturnArrays(false);
    for (const row of this.#statement.iterate(...args)) yield readRow(row);
  }

  *cells(...args: readonly Bound[]): Iterable<readonly Value[]> {
    this.#statement.setReturnArrays(true);
    for (const row of this.#statement.iterate(...args))
      yield (row as unknown as readonly Value[]).map(readValue);
  }
}

function readRow(row: Readonly<Record<string, Value>>): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, readValue(value)]));
}

function readValue(value: Value): Value {
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
