import { createHash } from "node:crypto";
import { lowerName } from "../tables/selection.ts";
import { NightjarError } from "../../errors/errors.ts";
import { copyOf, decode, encode, startsWith } from "../bytes/bytes.ts";
import { DumpOrder } from "./order.ts";
import { type DumpStatement, OWN_TABLE, startOf, unsafeStatement } from "./statement.ts";
import { countsUp } from "./loadable-dump.ts";
import { findMigrationTable, NewestMigration } from "./migrations.ts";
import { isMarker, MARKER_WARNING } from "../tables/restore-marker.ts";
import { hasShellLine } from "../sql/shell-lines.ts";
import { SqlScanner, type Statement } from "../sql/scanner.ts";
import { END, tokenReader } from "../sql/tokens.ts";
import { readValues } from "../sql/values.ts";

/** A property of the dump that a reader must know before restoring it. */
export interface Warning {
  code:
    | "COMMENT_HIDES_END"
    | "COUNTERS_WITHOUT_TABLE"
    | "FEATURE_LEFT_OUT"
    | "INFINITY"
    | "NUL_IN_TEXT"
    | "QUOTES_IN_VIRTUAL_TABLE"
    | "RESTORE_MARKER"
    | "ROWIDS_NOT_KEPT"
    | "SHELL_LINE"
    | "TURSO_ONLY"
    | "VALUES_MISFIT";
  /** The table, another object, or the start of the schema statement. */
  where: string;
  /** The number of statements that it concerns. */
  count: number;
  message: string;
}

export interface TableCount {
  name: string;
  /** null for a virtual table: its rows are those of its shadow tables. */
  rows: number | null;
}

/** The findings of one pass over a complete dump. */
export interface DumpFacts {
  tables: TableCount[];
  /** SHA-256 (hex) over the statements that make the schema, in the dump's order. */
  schemaHash: string;
  /** The newest row of a known migrations table. */
  migration: { table: string; name: string } | null;
  warnings: Warning[];
}

const HEAD = encode("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
const TAIL = "COMMIT;\n";
/** Characters of names at most: BackupDraft refuses a larger manifest. */
const MOST_NAMES = 900_000;
const ROLLBACK = encode("ROLLBACK");
/** The statements that the exporter may write after a schema object. */
const NEXT =
  /^(?:CREATE |INSERT INTO |DELETE FROM sqlite_sequence|ANALYZE |PRAGMA writable_schema)/;

/**
 * Inspects a dump of sqld's `GET /dump` as it passes, and proves that it is complete. It must begin with
 * `PRAGMA foreign_keys=OFF;` and `BEGIN TRANSACTION;`, every statement must be complete, and it must end
 * with the line `COMMIT;` (libsql-server/src/connection/dump/exporter.rs). Only statements of the forms
 * that the exporter writes are accepted. There are warnings about those that plain SQLite or a shell reads
 * differently. Rows are counted along the way.
 */
export class DumpInspector {
  readonly #scanner = new SqlScanner((statement) => this.#statement(statement));
  readonly #order = new DumpOrder();
  readonly #schema = createHash("sha256");
  readonly #tables = new Map<string, TableCount>();
  readonly #warnings = new Map<string, Warning>();
  #statements = 0;
  #counters = false;
  #length = 0;
  /** Characters of the names of tables and of those in warnings. */
  #named = 0;
  #committed = false;
  /** The last bytes so far, as many as `TAIL` has. */
  #tail = "";
  #migration: { create: string; newest: NewestMigration } | undefined;
  /** The table of the last row and the bytes that its rows begin with, up to their values. */
  #current: { prefix: Uint8Array; count: TableCount; migrations: boolean } | undefined;

  /** @throws NightjarError `DUMP_INVALID`, `DUMP_UNRESTORABLE` or `DUMP_UNSAFE` as soon as the bytes show it */
  push(chunk: Uint8Array): void {
    for (let at = this.#length; at < HEAD.length && at - this.#length < chunk.length; at++)
      if (chunk[at - this.#length] !== HEAD[at]) throw notADump(chunk);
    this.#length += chunk.length;
    this.#tail = (this.#tail + decode(chunk.subarray(-TAIL.length))).slice(-TAIL.length);
    this.#scanner.push(chunk);
  }

  /**
   * End the dump: check that it is complete, and return its facts.
   *
   * @throws NightjarError `DUMP_INCOMPLETE` when it is not complete
   */
  end(): DumpFacts {
    if (this.#length < HEAD.length)
      throw new NightjarError(
        "DUMP_INCOMPLETE",
        `The dump ended after ${this.#length} bytes, before it had begun.`,
      );
    if (!this.#scanner.complete || !this.#committed || this.#tail !== TAIL)
      throw new NightjarError(
        "DUMP_INCOMPLETE",
        `The dump does not end with a COMMIT; it stops after ${this.#length} bytes and ${this.#statements} statements.`,
      );
    const { table, name } = this.#migration?.newest ?? {};
    return {
      tables: [...this.#tables.values()],
      schemaHash: this.#schema.digest("hex"),
      migration: name === undefined ? null : { table: table!, name },
      warnings: [...this.#warnings.values()],
    };
  }

  #statement(statement: Statement): void {
    const { source, from, to } = statement;
    this.#statements++;
    if (this.#committed)
      throw new NightjarError("DUMP_INVALID", "The server sent more statements after the COMMIT.");
    const { prefix } = this.#current ?? {};
    if (
      prefix !== undefined &&
      !statement.ambiguous &&
      !statement.cut &&
      !statement.commented &&
      startsWith(source, prefix, from)
    ) {
      if (!readValues(source, from + prefix.length, undefined, to))
        throw unsafeStatement(statement.bytes, "it is no row");
      return this.#row(statement);
    }
    const { bytes } = statement;
    if (startsWith(bytes, ROLLBACK))
      throw new NightjarError("DUMP_INCOMPLETE", "The server ended its dump with a ROLLBACK.");
    this.#current = undefined;
    const found = this.#order.read(statement);
    switch (found.is) {
      case "row":
        if (OWN_TABLE.test(found.table)) return;
        this.#begin(lowerName(found.table), copyOf(bytes.subarray(0, found.values)));
        return this.#row(statement);
      case "schema-row":
        this.#schema.update(bytes);
        this.#count(found.name).rows = null;
        if (found.unquoted) this.#warn("QUOTES_IN_VIRTUAL_TABLE", found.name);
        return;
      case "create":
        return this.#create(bytes, found);
      case "delete-counters":
        if (!this.#counters) this.#warn("COUNTERS_WITHOUT_TABLE", "sqlite_sequence");
        return;
      case "commit":
        this.#committed = true;
        return;
      case "begin":
        if (this.#statements !== 2) throw unsafeStatement(bytes, "a dump begins once");
        return;
      case "pragma":
      case "analyze":
        return;
    }
  }

  /** Begin to count the rows of another table. */
  #begin(lowerCased: string, prefix: Uint8Array): void {
    const count = this.#tables.get(lowerCased)!;
    this.#current = { prefix, count, migrations: this.#migration?.newest.table === count.name };
  }

  #row(statement: Statement): void {
    const { bareInfinity, nul } = statement;
    const { count, migrations } = this.#current!;
    count.rows = (count.rows ?? 0) + 1;
    if (migrations)
      this.#migration!.newest.addInsert(this.#migration!.create, decode(statement.bytes));
    if (bareInfinity) this.#warn("INFINITY", count.name);
    if (nul) this.#warn("NUL_IN_TEXT", count.name);
  }

  #create(bytes: Uint8Array, { type, name, sql }: Created): void {
    this.#schema.update(bytes);
    const hidden = hiddenEnds(sql).map((at) => sql.slice(at));
    if (hidden.includes("\nCOMMIT"))
      throw new NightjarError(
        "DUMP_UNRESTORABLE",
        `The schema's last object ends in a line comment, which hides the dump's COMMIT: ${sql.slice(0, sql.indexOf(";\n"))}`,
      );
    if (hidden.some((rest) => NEXT.test(rest.slice(1))))
      this.#warn("COMMENT_HIDES_END", sql.slice(0, sql.indexOf("\n")).replace(/;$/, ""));
    if (hasShellLine(sql)) this.#warn("SHELL_LINE", startOf(bytes));
    if (type !== "table") return;
    this.#counters ||= countsUp(sql);
    this.#count(name);
    if (isMarker({ type: "table", name, sql })) this.#warn("RESTORE_MARKER", name);
    const table = findMigrationTable(name);
    if (table !== undefined) this.#migration = { create: sql, newest: new NewestMigration(table) };
  }

  #count(name: string): TableCount {
    let count = this.#tables.get(lowerName(name));
    if (count === undefined) {
      const own = this.#remember(name);
      this.#tables.set(lowerName(own), (count = { name: own, rows: 0 }));
    }
    return count;
  }

  /**
   * Copy the name into memory of its own. Otherwise it would hold the statement that it comes from.
   *
   * @throws NightjarError `SCHEMA_TOO_LARGE` for more names than a manifest holds
   */
  #remember(name: string): string {
    this.#named += name.length;
    if (this.#named > MOST_NAMES)
      throw new NightjarError(
        "SCHEMA_TOO_LARGE",
        `The names of the dump's tables take more than ${MOST_NAMES} bytes.`,
      );
    return decode(encode(name));
  }

  #warn(code: DumpWarning, where: string): void {
    const key = `${code} ${where}`;
    const known = this.#warnings.get(key);
    if (known !== undefined) known.count++;
    else {
      const own = this.#remember(where);
      this.#warnings.set(`${code} ${own}`, { code, where: own, count: 1, message: WARNINGS[code] });
    }
  }
}

/** The other warnings come with their messages: of pages, and of rows that Nightjar read itself. */
type DumpWarning = Exclude<
  Warning["code"],
  "FEATURE_LEFT_OUT" | "ROWIDS_NOT_KEPT" | "TURSO_ONLY" | "VALUES_MISFIT"
>;

const WARNINGS: Record<DumpWarning, string> = {
  RESTORE_MARKER: MARKER_WARNING,
  COUNTERS_WITHOUT_TABLE:
    "The server's dump empties the table of AUTOINCREMENT's counters, which no table of it makes: SQLite refuses that line. Nightjar's downloads and restores make the table first.",
  QUOTES_IN_VIRTUAL_TABLE:
    "The server's dump has the virtual table's text between quotes that it does not double: SQLite reads something else there, or nothing. Nightjar's downloads and restores double them.",
  SHELL_LINE:
    "It has a line that the sqlite3 shell may take for a command of its own or for a statement's end. Nightjar's downloads have a comment before such an end; load no SQL but with `sqlite3 -safe`.",
  COMMENT_HIDES_END:
    "A schema object ends in a line comment, which hides the semicolon that the server's dump puts after it: SQLite refuses it together with the next. Create it again without the comment.",
  INFINITY:
    "The server's dump writes infinity as `inf`, which SQLite does not read. Nightjar's downloads and restores write it as 9e999.",
  NUL_IN_TEXT:
    "Text with a NUL byte is in the dump: SQLite stops reading there, and the sqlite3 shell takes what follows for SQL. Nightjar's downloads and restores write such text in hexadecimal.",
};

function notADump(chunk: Uint8Array): NightjarError {
  const start = decode(chunk.subarray(0, 60)).replaceAll(/\s+/g, " ");
  return new NightjarError(
    "DUMP_INVALID",
    `The server's answer does not begin as a dump does, but with: ${start}`,
  );
}

type Created = Extract<DumpStatement, { is: "create" }>;

/** Find each semicolon that is the last character of a line comment. Return the indexes after them. */
function hiddenEnds(sql: string): number[] {
  if (!sql.includes(";\n")) return [];
  const next = tokenReader(sql);
  const ends: number[] = [];
  let at = 0;
  for (;;) {
    const token = next();
    const end = token === END ? sql.length : token.start;
    // Between two tokens there are only white space and comments.
    while (at < end) {
      const line = sql.startsWith("--", at);
      if (!line && !sql.startsWith("/*", at)) {
        at++;
        continue;
      }
      const close = sql.indexOf(line ? "\n" : "*/", at + 2);
      at = close === -1 ? end : close + (line ? 1 : 2);
      if (line && close !== -1 && sql[close - 1] === ";") ends.push(close);
    }
    if (token === END) return ends;
    at = token.end;
  }
}
