import { NightjarError } from "../../errors/errors.ts";
import { decode } from "../bytes/bytes.ts";
import { startOf } from "../dump/statement.ts";
import { schemaFault, type SchemaType } from "./schema-statement.ts";
import { readSqlHead } from "./head.ts";
import type { Statement } from "./scanner.ts";
import { END, tokenReader } from "./tokens.ts";

const CREATES: Readonly<Record<string, SchemaType>> = {
  "create-table": "table",
  "create-virtual": "table",
  "create-index": "index",
  "create-view": "view",
  "create-trigger": "trigger",
};
/** The only pragmas in SQL that Nightjar writes. */
const PRAGMAS = new Set([
  ...["application_id", "foreign_keys", "ignore_check_constraints", "user_version"],
  "writable_schema",
]);
/** The words of an UPDATE in Nightjar's SQL, besides names in quotes and literals. */
const UPDATE_WORDS = new Set([
  ...["UPDATE", "SET", "WHERE", "AND", "SELECT", "MAX", "FROM", "SQLITE_SCHEMA", "SQL", "TYPE"],
  ...["NAME", "ROWID", "_ROWID_", "OID", "CAST", "AS", "TEXT", "REPLACE", "CHAR", "X"],
  ...["(", ")", ",", "=", "-", ";"],
]);

/**
 * Refuse a statement of a kind that Nightjar's own SQL does not have, or that SQLite could take for more
 * than one.
 *
 * @throws NightjarError `DUMP_UNSAFE`
 */
export function refuseForeign({ bytes, ambiguous, nul }: Statement): void {
  const why = ambiguous
    ? "SQLite and a shell do not agree on where it ends"
    : nul
      ? "it has a NUL byte"
      : foreignness(bytes);
  if (why === undefined) return;
  throw new NightjarError("DUMP_UNSAFE", `The SQL has a statement (${startOf(bytes)}): ${why}.`);
}

function foreignness(bytes: Uint8Array): string | undefined {
  const { does, verb, name } = readSqlHead(bytes);
  const type = CREATES[does];
  if (type !== undefined) return schemaFault(type, decode(bytes).slice(0, -1));
  if (does === "insert" || does === "delete" || does === "transaction") return undefined;
  if (does === "update" && isPlainUpdate(decode(bytes))) return undefined;
  if (verb === "ANALYZE" || (verb === "PRAGMA" && PRAGMAS.has(name))) return undefined;
  // A table that is made only for AUTOINCREMENT's counters is dropped at once.
  if (verb === "DROP" && /^DROP TABLE "nightjar makes sqlite_sequence"\s*;$/.test(decode(bytes)))
    return undefined;
  return "no SQL of a backup has such a one";
}

/**
 * Return true if the UPDATE has only the words of the two that Nightjar writes: one restores a table's own
 * text in the schema, the other gives a row its rowid.
 */
function isPlainUpdate(sql: string): boolean {
  const next = tokenReader(sql);
  for (let token = next(); token !== END; token = next())
    if (token.kind !== "quoted" && !UPDATE_WORDS.has(token.word) && !/^[0-9]+$/.test(token.word))
      return false;
  return true;
}
