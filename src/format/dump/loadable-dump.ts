import { NightjarError } from "../../errors/errors.ts";
import { concat, encode } from "../bytes/bytes.ts";
import { DumpOrder } from "./order.ts";
import { restoredSchemaRow } from "./schema-row.ts";
import type { SchemaRow } from "./statement.ts";
import { LONGEST_REWRITTEN, rewriteDump } from "./rewrite-dump.ts";
import { hasShellLine, shieldTerminators } from "../sql/shell-lines.ts";
import { isKnownModule, shadowsOf } from "../sql/shadow-tables.ts";
import { moduleOf } from "../sql/virtual-module.ts";
import { lowerName } from "../tables/selection.ts";
import { quoteName } from "../sql/quote.ts";
import type { Statement } from "../sql/scanner.ts";
import { END, tokenReader } from "../sql/tokens.ts";
import { readValues } from "../sql/values.ts";

/**
 * Statements that make AUTOINCREMENT's table of counters: it comes with the first such table, and stays
 * after the last.
 */
const COUNTERS = [
  'CREATE TABLE "nightjar makes sqlite_sequence"(a INTEGER PRIMARY KEY AUTOINCREMENT);',
  'DROP TABLE "nightjar makes sqlite_sequence";',
].map(encode);

/** The form in which virtual tables are loaded. */
export type VirtualForm =
  /** As a row of the schema: for SQLite, which need not have the module. */
  | "rows"
  /**
   * As statements, for a libSQL server: the module makes the shadow tables, whose content is replaced. Only
   * for a dump that Nightjar wrote, in which a virtual table comes before its shadow tables.
   */
  | "statements";

/**
 * Turns the statements of a server's dump, one by one, into SQL that SQLite and its shells load as the
 * server meant it. Most stay the same bytes. It rewrites only what SQLite does not read as the exporter
 * writes it: text with NUL, infinity, a virtual table's text with quotes, counters without their table,
 * lines that end a statement for a shell.
 */
export class LoadableDump {
  #counters = false;
  readonly #order = new DumpOrder();
  readonly #virtual: VirtualForm;
  /** Names in lower case of the tables that modules have made. */
  readonly #shadows = new Set<string>();

  constructor(virtual: VirtualForm = "rows") {
    this.#virtual = virtual;
  }

  /**
   * Return the SQL to run for the statement, each piece exactly one statement.
   *
   * @param statement not shortened
   * @throws NightjarError `DUMP_UNSAFE` for a statement that no dump has
   */
  take(statement: Statement): readonly Uint8Array[] {
    const { bytes } = statement;
    const found = this.#order.read(statement);
    switch (found.is) {
      case "create":
        if (this.#shadows.has(lowerName(found.name)))
          return [encode(`DELETE FROM ${quoteName(found.name)};`)];
        this.#counters ||= found.type === "table" && countsUp(found.sql);
        return [hasShellLine(found.sql) ? encode(`${shieldTerminators(found.sql)};`) : bytes];
      case "delete-counters":
        return this.#counters ? [bytes] : [...COUNTERS, bytes];
      case "row":
        return [statement.nul || statement.bareInfinity ? writeRow(bytes, found.values) : bytes];
      case "schema-row":
        if (this.#virtual === "statements") return [this.#virtualTable(found)];
        return [found.unquoted ? encode(restoredSchemaRow(found.name, found.sql)) : bytes];
      case "begin":
      case "commit":
      case "pragma":
      case "analyze":
        return [bytes];
    }
  }

  /** @throws NightjarError `FORMAT_UNAVAILABLE` for a module whose shadow tables are not known */
  #virtualTable({ name, sql }: SchemaRow): Uint8Array {
    if (!isKnownModule(moduleOf(sql) ?? ""))
      throw new NightjarError(
        "FORMAT_UNAVAILABLE",
        `The virtual table ${name} is of a module that Nightjar does not know.`,
        { hint: "Restore the backup to a file, or choose the other tables." },
      );
    for (const suffix of shadowsOf(sql)) this.#shadows.add(lowerName(`${name}_${suffix}`));
    return encode(`${shieldTerminators(sql)};`);
  }
}

/**
 * Rewrite a whole dump with `LoadableDump`, statement by statement, each on a line of its own.
 *
 * @throws NightjarError `DUMP_UNSAFE`; `FORMAT_UNAVAILABLE` for a statement that is too long for a Worker
 */
export async function* loadableText(dump: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const loadable = new LoadableDump();
  yield* rewriteDump(dump, (statement) => {
    const { bytes, length } = statement;
    if (length > bytes.length)
      throw new NightjarError(
        "FORMAT_UNAVAILABLE",
        `A statement of the dump has ${length} bytes; ${LONGEST_REWRITTEN} can be written anew at the most.`,
        { hint: "Restore it with `nightjar restore --to <file>`." },
      );
    return loadable.take(statement);
  });
}

/** Return true if a table's CREATE statement has AUTOINCREMENT. */
export function countsUp(sql: string): boolean {
  if (!/autoincrement/i.test(sql)) return false;
  const next = tokenReader(sql);
  for (let token = next(); token !== END; token = next())
    if (token.word === "AUTOINCREMENT") return true;
  return false;
}

/** Rewrite the row with values that SQLite reads as the server had them. */
function writeRow(bytes: Uint8Array, values: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let from = 0;
  const put = (start: number, end: number, ...written: Uint8Array[]) => {
    pieces.push(bytes.subarray(from, start), ...written);
    from = end;
  };
  readValues(bytes, values, (kind, start, end) => {
    if (kind === "infinity") put(start, end, encode("9e999"));
    else if (bytes.subarray(start, end).includes(0))
      put(start - 1, end + 1, encode("CAST(X'"), hexOf(bytes, start, end), encode("' AS TEXT)"));
  });
  pieces.push(bytes.subarray(from));
  return concat(pieces);
}

const HEX = encode("0123456789abcdef");

/** Return a text's bytes in hexadecimal, with one quote for each doubled one. */
function hexOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const digits = new Uint8Array(2 * (end - start));
  let length = 0;
  for (let at = start; at < end; at++) {
    digits[length++] = HEX[bytes[at]! >> 4]!;
    digits[length++] = HEX[bytes[at]! & 15]!;
    if (bytes[at] === 39) at++;
  }
  return digits.subarray(0, length);
}
