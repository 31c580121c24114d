import { NightjarError } from "../../errors/errors.ts";
import { decode, encode, startsWith } from "../bytes/bytes.ts";
import { lowerName } from "../tables/selection.ts";
import { schemaFault, type SchemaType } from "../sql/schema-statement.ts";
import { readSqlHead } from "../sql/head.ts";
import type { Statement } from "../sql/scanner.ts";
import { END, tokenReader } from "../sql/tokens.ts";
import { readInsertHead, readValues } from "../sql/values.ts";

/** A statement of a dump, by the forms that sqld's exporter and Nightjar write. */
export type DumpStatement =
  | { readonly is: "begin" | "commit" | "pragma" | "delete-counters" | "analyze" }
  | { readonly is: "row"; readonly table: string; readonly values: number }
  | SchemaRow
  | {
      readonly is: "create";
      readonly type: SchemaType;
      readonly name: string;
      readonly sql: string;
    };

/** A row of sqlite_schema that makes a virtual table. */
export interface SchemaRow {
  readonly is: "schema-row";
  readonly name: string;
  readonly sql: string;
  /** The server put the text between quotes without doubling those in it, so it is not valid SQL as it is. */
  readonly unquoted: boolean;
}

const FIXED: Readonly<
  Record<string, Exclude<DumpStatement["is"], "row" | "schema-row" | "create">>
> = {
  "PRAGMA foreign_keys=OFF;": "pragma",
  "PRAGMA writable_schema=ON;": "pragma",
  "PRAGMA writable_schema=OFF;": "pragma",
  "BEGIN TRANSACTION;": "begin",
  "COMMIT;": "commit",
  "DELETE FROM sqlite_sequence;": "delete-counters",
  "ANALYZE sqlite_schema;": "analyze",
  // In a dump that LoadableDump has rewritten.
  'DROP TABLE "nightjar makes sqlite_sequence";': "pragma",
};
/** In a dump that Nightjar wrote of rows. */
const OWN_PRAGMA =
  /^PRAGMA (?:ignore_check_constraints=(?:ON|OFF)|(?:user_version|application_id)=-?[0-9]{1,10});$/;
const LONGEST_FIXED = 64;

/** SQLite's own tables: rows are written to them, but no statement creates them. */
export const OWN_TABLE = /^sqlite_(?:sequence|stat\d)$/;

const INSERT = encode("INSERT INTO ");
const CREATE = encode("CREATE ");
const SCHEMA_ROW = encode("INSERT INTO sqlite_schema(");
const TYPES: Readonly<Record<string, SchemaType>> = {
  "create-table": "table",
  "create-index": "index",
  "create-view": "view",
  "create-trigger": "trigger",
};

/**
 * Return the form of a dump's statement, or why it is not one that sqld's exporter
 * (libsql-server/src/connection/dump/exporter.rs) or Nightjar writes: then it must not be run.
 */
export function readDumpStatement(statement: Statement): DumpStatement | { unsafe: string } {
  const { bytes, cut, ambiguous, commented } = statement;
  if (commented) return { unsafe: "a dump has no comment before a statement" };
  if (cut) return { unsafe: "it is too long to be looked at" };
  if (ambiguous) return { unsafe: "SQLite and a shell do not agree on where it ends" };
  if (startsWith(bytes, SCHEMA_ROW))
    return bytes.includes(0) ? { unsafe: "it has a NUL byte" } : readSchemaRow(decode(bytes));
  if (startsWith(bytes, INSERT)) {
    const head = readInsertHead(bytes);
    if (head === undefined || !readValues(bytes, head.values))
      return { unsafe: "it inserts something else than values" };
    return { is: "row", table: head.table, values: head.values };
  }
  if (startsWith(bytes, CREATE)) return readCreate(bytes);
  const text = bytes.length <= LONGEST_FIXED ? decode(bytes) : "";
  const is = OWN_PRAGMA.test(text) ? "pragma" : FIXED[text];
  return is === undefined ? { unsafe: "a dump has no such statement" } : { is };
}

function readCreate(bytes: Uint8Array): DumpStatement | { unsafe: string } {
  const sql = decode(bytes).slice(0, -1); // without its semicolon
  const { does, name } = readSqlHead(bytes);
  const type = TYPES[does];
  if (type === undefined) return { unsafe: "a dump creates no such thing" };
  const unsafe = schemaFault(type, sql);
  return unsafe === undefined ? { is: "create", type, name, sql } : { unsafe };
}

const ROW_HEAD = /^INSERT INTO sqlite_schema\(type,name,tbl_name,rootpage,sql\) ?VALUES\('table','/;
const ROW_TAIL = "');";

/**
 * Read a row of sqlite_schema. Servers up to sqld 0.24.32 put name and text between quotes as they are.
 * Read as SQL, such a row has another text or none; it is accepted only if it can have one meaning.
 */
function readSchemaRow(row: string): DumpStatement | { unsafe: string } {
  const head = ROW_HEAD.exec(row)?.[0];
  if (head === undefined || !row.endsWith(ROW_TAIL))
    return { unsafe: "it changes the schema in another way than a dump does" };
  const values = schemaValues(row, head.length - 1);
  if (values !== undefined && values[0] === values[1] && isVirtual(values[0], values[2]))
    return { is: "schema-row", name: values[0], sql: values[2], unquoted: false };
  const raw = row.slice(head.length, -ROW_TAIL.length);
  const found = splitRaw(raw);
  if (found !== undefined && !raw.includes(`${ROW_TAIL}\n`) && isVirtual(found.name, found.sql))
    return { is: "schema-row", ...found, unquoted: true };
  return { unsafe: "a virtual table's text has quotes that make something else of it" };
}

/** Read `'name','name',0,'text');` as SQL. */
function schemaValues(row: string, at: number): [string, string, string] | undefined {
  const next = tokenReader(row.slice(at));
  const tokens = Array.from({ length: 9 }, next);
  if (next() !== END) return undefined;
  const [name, table, sql] = [tokens[0]!, tokens[2]!, tokens[6]!];
  const shape = tokens.map(({ kind, word }) => (kind === "quoted" ? "'" : word)).join("");
  return shape === "',',0,');" ? [name.text, table.text, sql.text] : undefined;
}

/** Read `name','name',0,'text` as the server wrote it. */
function splitRaw(raw: string): { name: string; sql: string } | undefined {
  const at = raw.indexOf("',0,'");
  const names = raw.slice(0, Math.max(0, at));
  const name = names.slice(0, (names.length - 3) / 2);
  if (at === -1 || names !== `${name}','${name}`) return undefined;
  return { name, sql: raw.slice(at + 5) };
}

/** Return true if the text makes this virtual table, ends where SQLite lets it end, and does nothing else. */
function isVirtual(name: string, sql: string): boolean {
  if (!sql.startsWith("CREATE VIRTUAL TABLE ") || schemaFault("table", sql) !== undefined)
    return false;
  const next = tokenReader(sql);
  let depth = 0;
  let last = END;
  for (let token = next(), at = 0; token !== END; last = token, token = next(), at++) {
    if (at === 3 && lowerName(token.text) !== lowerName(name)) return false;
    if (token.word === "(") depth++;
    else if (token.word === ")" && --depth < 0) return false;
  }
  return depth === 0 && last.end === sql.length;
}

/** Make the error for a statement that must not be run. Its start is shown without control characters. */
export function unsafeStatement(bytes: Uint8Array, why: string): NightjarError {
  return new NightjarError("DUMP_UNSAFE", `The dump has a statement (${startOf(bytes)}): ${why}.`);
}

/** Return the start of a statement on one line, for people. */
export function startOf(sql: Uint8Array): string {
  const start = decode(sql.subarray(0, 60)).replaceAll(/\s+/g, " ");
  return start.replaceAll(/[\p{Cc}\p{Cf}]/gu, "\u{fffd}") + (sql.length > 60 ? "…" : "");
}
