import { createHash } from "node:crypto";
import { NightjarError } from "../errors.ts";
import { copyOf, decode, encode, startsWith } from "./bytes.ts";
import { findMigrationTable, NewestMigration } from "./migrations.ts";
import { SqlScanner, type Statement } from "./sql-scanner.ts";

/** Something that the dump says of itself and that a reader must know before restoring it. */
export interface Warning {
  code: "INFINITY" | "NUL_IN_TEXT" | "COMMENT_HIDES_END";
  /** The table, or the start of the schema statement. */
  where: string;
  /** How many statements it concerns. */
  count: number;
  message: string;
}

export interface TableCount {
  name: string;
  /** null for a virtual table: its rows are those of its shadow tables. */
  rows: number | null;
}

/** What one pass over a complete dump found. */
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
const INSERT = encode("INSERT INTO ");
const CREATE = encode("CREATE ");
/**
 * sqld puts the semicolon behind the schema's own text. Where that ends in a line comment, the
 * semicolon is lost in it, and SQLite reads the next statement as part of this one.
 */
const HIDDEN_END =
  /--[^\n]*;\n(?:CREATE |INSERT INTO |DELETE FROM sqlite_sequence|ANALYZE |PRAGMA writable_schema)/;
const HIDDEN_COMMIT = /--[^\n]*;\nCOMMIT;$/;
const COMMIT = encode("COMMIT;");
const ROLLBACK = encode("ROLLBACK");
const SCHEMA_ROW = "sqlite_schema";
const OWN_TABLES = new Set([SCHEMA_ROW, "sqlite_sequence"]);

/**
 * Watches a dump of sqld's `GET /dump` go by and proves that it is whole. It must begin with
 * `PRAGMA foreign_keys=OFF;` and `BEGIN TRANSACTION;`, every statement must be complete, and it must
 * end with the line `COMMIT;` (libsql-server/src/connection/dump/exporter.rs). On the way it counts
 * rows.
 */
export class DumpInspector {
  readonly #scanner = new SqlScanner((statement) => this.#statement(statement));
  readonly #schema = createHash("sha256");
  readonly #tables = new Map<string, TableCount>();
  readonly #warnings = new Map<string, Warning>();
  #statements = 0;
  #length = 0;
  #committed = false;
  /** The last bytes so far, as many as `TAIL` has. */
  #tail = "";
  #migration: { create: string; newest: NewestMigration } | undefined;
  /** The table of the last row and the bytes that its rows begin with. */
  #current: { prefix: Uint8Array; count: TableCount; migrations: boolean } | undefined;

  /** @throws NightjarError `DUMP_INVALID` or `DUMP_UNRESTORABLE` as soon as the bytes show it */
  push(chunk: Uint8Array): void {
    for (let at = this.#length; at < HEAD.length && at - this.#length < chunk.length; at++)
      if (chunk[at - this.#length] !== HEAD[at]) throw notADump(chunk);
    this.#length += chunk.length;
    this.#tail = (this.#tail + decode(chunk.subarray(-TAIL.length))).slice(-TAIL.length);
    this.#scanner.push(chunk);
  }

  /**
   * The dump has ended: is it whole?
   *
   * @throws NightjarError `DUMP_INCOMPLETE` when it is not
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
    const { bytes } = statement;
    this.#statements++;
    if (this.#committed)
      throw new NightjarError("DUMP_INVALID", "The server sent more statements after the COMMIT.");
    if (startsWith(bytes, INSERT)) this.#row(statement);
    else if (equals(bytes, COMMIT)) this.#committed = true;
    else if (startsWith(bytes, ROLLBACK))
      throw new NightjarError("DUMP_INCOMPLETE", "The server ended its dump with a ROLLBACK.");
    else this.#structure(statement);
  }

  #row(statement: Statement): void {
    const { bytes } = statement;
    if (this.#current === undefined || !startsWith(bytes, this.#current.prefix)) {
      const { name, end } = insertedTable(bytes);
      if (name === SCHEMA_ROW) {
        const row = decode(bytes);
        const table = /VALUES\('table','((?:[^']|'')*)'/.exec(row)?.[1]?.replaceAll("''", "'");
        if (table !== undefined) this.#count(table).rows = null;
        this.#schema.update(bytes);
        return;
      }
      if (OWN_TABLES.has(name)) return;
      this.#current = {
        prefix: copyOf(bytes.subarray(0, end + 1)),
        count: this.#count(name),
        migrations: this.#migration?.newest.table === name,
      };
    }
    const { count, migrations } = this.#current;
    count.rows = (count.rows ?? 0) + 1;
    if (migrations) this.#migration!.newest.addInsert(this.#migration!.create, decode(bytes));
    if (statement.bareInfinity) this.#warn("INFINITY", count.name);
    if (statement.nul) this.#warn("NUL_IN_TEXT", count.name);
  }

  #structure({ bytes }: Statement): void {
    if (!startsWith(bytes, CREATE)) return;
    this.#schema.update(bytes);
    const sql = decode(bytes);
    if (HIDDEN_COMMIT.test(sql))
      throw new NightjarError(
        "DUMP_UNRESTORABLE",
        `The schema's last object ends in a line comment, which hides the dump's COMMIT: ${sql.slice(0, sql.indexOf(";\n"))}`,
      );
    if (HIDDEN_END.test(sql))
      this.#warn("COMMENT_HIDES_END", sql.slice(0, sql.indexOf("\n")).replace(/;$/, ""));
    const name = createdTable(sql);
    if (name === undefined) return;
    this.#count(name);
    const table = findMigrationTable(name);
    if (table !== undefined) this.#migration = { create: sql, newest: new NewestMigration(table) };
  }

  #count(name: string): TableCount {
    let count = this.#tables.get(name);
    if (count === undefined) this.#tables.set(name, (count = { name, rows: 0 }));
    return count;
  }

  #warn(code: Warning["code"], where: string): void {
    const key = `${code} ${where}`;
    const known = this.#warnings.get(key);
    if (known !== undefined) known.count++;
    else this.#warnings.set(key, { code, where, count: 1, message: WARNINGS[code] });
  }
}

const WARNINGS: Record<Warning["code"], string> = {
  COMMENT_HIDES_END:
    "A schema object ends in a line comment, which hides the semicolon that the server's dump puts behind it: SQLite refuses it together with the next. Create it again without the comment.",
  INFINITY:
    "The server's dump writes infinity as `inf`, which SQLite does not read: restoring stops there until these values are mended by hand (1e999).",
  NUL_IN_TEXT:
    "Text with a NUL byte is in the dump, but SQLite stops reading such a literal at the NUL: it comes back cut.",
};

function notADump(chunk: Uint8Array): NightjarError {
  const start = decode(chunk.subarray(0, 60)).replaceAll(/\s+/g, " ");
  return new NightjarError(
    "DUMP_INVALID",
    `The server's answer does not begin as a dump does, but with: ${start}`,
  );
}

/** The table's name in `INSERT INTO name…` or `INSERT INTO "name"…`, and the byte at which it ends. */
function insertedTable(bytes: Uint8Array): { name: string; end: number } {
  const start = INSERT.length;
  if (bytes[start] === 34) {
    const end = bytes.indexOf(34, start + 1);
    return { name: decode(bytes.subarray(start + 1, end)), end: end + 1 };
  }
  let end = start;
  while (end < bytes.length && bytes[end] !== 32 && bytes[end] !== 40) end++;
  return { name: decode(bytes.subarray(start, end)), end };
}

/** The table's name in sqld's `CREATE TABLE IF NOT EXISTS <the rest of the schema's own text>`. */
function createdTable(sql: string): string | undefined {
  const match =
    /^CREATE TABLE IF NOT EXISTS\s+(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|`((?:[^`]|``)*)`|\[([^\]]*)\]|([^\s("'`[]+))/i.exec(
      sql,
    );
  if (match === null) return undefined;
  const [, double, single, tick, bracket, bare] = match;
  return (
    double?.replaceAll('""', '"') ??
    single?.replaceAll("''", "'") ??
    tick?.replaceAll("``", "`") ??
    bracket ??
    bare
  );
}

function equals(bytes: Uint8Array, other: Uint8Array): boolean {
  return bytes.length === other.length && startsWith(bytes, other);
}
