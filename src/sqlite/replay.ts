import { asNightjarError, type ErrorCode, messageOf, NightjarError } from "../errors/errors.ts";
import { decode } from "../format/bytes/bytes.ts";
import { lackOf } from "../format/tables/integrity.ts";
import { isRandomRowid } from "../format/sql/libsql-schema.ts";
import { LoadableDump } from "../format/dump/loadable-dump.ts";
import { readSqlHead } from "../format/sql/head.ts";
import { insertedRow } from "../format/sql/literal.ts";
import { SqlScanner } from "../format/sql/scanner.ts";
import { moduleOf } from "../format/sql/virtual-module.ts";
import { ACTION, CODE } from "./engine/codes.ts";
import { Engine, SqliteError, startOf } from "./engine/engine.ts";
import { Image } from "./engine/image.ts";
import { allRows } from "./engine/rows.ts";
import { Statement } from "./engine/statement.ts";

/** Bytes that a database in memory may take. */
const HEAP_LIMIT = 80 * 1024 * 1024;
/** Bytes of the longest statement that is accepted. */
const MAX_STATEMENT = 24 * 1024 * 1024;

/** Bytes of a statement that are searched for what only libSQL knows. */
const LONGEST_SCHEMA = 64 * 1024;

/** The verbs of a server's dump; the schema row of a virtual table is an INSERT. */
const VERBS: ReadonlySet<string> = new Set([
  "ANALYZE",
  "BEGIN",
  "COMMIT",
  "CREATE",
  "DELETE",
  "INSERT",
  "PRAGMA",
]);
/** The only DROP that is accepted: `LoadableDump` makes the table of counters with it. */
const DROP_SCRATCH = 'DROP TABLE "nightjar makes sqlite_sequence";';

/** The pragmas that a dump sets. */
const PRAGMAS: ReadonlySet<string> = new Set([
  ...["application_id", "foreign_keys", "ignore_check_constraints", "user_version"],
  "writable_schema",
]);
/** The functions with which a server's dump writes text that has line breaks. */
const FUNCTIONS: ReadonlySet<string> = new Set(["char", "replace"]);
/** Steps of a statement that is too short to be counted by SQLite's own handler. */
const SHORT = 100;

/**
 * Run the SQL of a dump in a new database in memory. Rows that break a CHECK are accepted: integrity_check
 * finds them.
 *
 * @throws NightjarError `DUMP_UNSAFE`; `DRILL_FAILED` for SQL that SQLite refuses; `DRILL_IMPOSSIBLE` for
 *   what this SQLite cannot do or has no memory for, and for rows that break a rule; whatever `text` throws
 */
export async function replayDumpWith(
  wasm: WebAssembly.Module,
  text: AsyncIterable<Uint8Array>,
): Promise<Image> {
  const engine = await Engine.start(wasm, NO_PAGES, HEAP_LIMIT);
  await engine.open("memory");
  engine.switch("triggers", false);
  for (const option of ["doubleQuotedInSchema", "doubleQuotedInQueries"] as const)
    engine.switch(option, true);
  // There are no files in which a large index could be sorted.
  for (const pragma of ["temp_store=MEMORY", "ignore_check_constraints=ON"])
    await allRows(engine, `PRAGMA ${pragma}`, () => undefined);
  let waiting: Uint8Array[] = [];
  let number = 0;
  let received = 0;
  const loadable = new LoadableDump();
  const scanner = new SqlScanner((statement) => {
    const { bytes, length } = statement;
    if (length > bytes.length)
      throw new NightjarError(
        "DRILL_IMPOSSIBLE",
        `A statement of the dump has ${length} bytes; ${MAX_STATEMENT} are taken at the most.`,
      );
    waiting.push(...loadable.take(statement));
  }, MAX_STATEMENT);
  for await (const chunk of text) {
    received += chunk.length;
    engine.allowFor(received);
    scanner.push(chunk);
    for (const statement of waiting) await run(engine, statement, ++number);
    waiting = [];
  }
  await allRows(engine, "PRAGMA ignore_check_constraints=OFF", () => undefined);
  return new Image(engine, new Map());
}

const NO_PAGES = {
  pageSize: 4096,
  pageCount: 0,
  usePage: (): never => {
    throw new NightjarError("INTERNAL", "A database in memory has no stored pages.");
  },
};

async function run(engine: Engine, sql: Uint8Array, number: number): Promise<void> {
  const { verb } = readSqlHead(sql);
  if (verb === "") return;
  const fail = (why: string, code: ErrorCode, cause?: unknown): NightjarError =>
    new NightjarError(
      code,
      `Statement ${number} of the dump (${startOf(sql)}) is refused: ${why}.`,
      cause === undefined ? {} : { cause },
    );
  if (!VERBS.has(verb) && decode(sql.subarray(0, LONGEST_SCHEMA)) !== DROP_SCRATCH)
    throw fail("no server's dump has one of this kind", "DRILL_IMPOSSIBLE");
  engine.guard = (action, first, second) => isAllowed(verb, sql, action, first, second);
  try {
    const { statement } = await Statement.prepare(engine, sql);
    if (statement === undefined) return;
    try {
      while (await statement.step());
    } finally {
      await statement.finalize();
    }
    await engine.passStatement(SHORT);
  } catch (thrown) {
    if (!(thrown instanceof SqliteError)) throw asNightjarError(thrown);
    const impossible =
      thrown.outOfMemory ||
      thrown.code === CODE.CONSTRAINT ||
      thrown.code === CODE.TOOBIG ||
      thrown.message.startsWith("not authorized") ||
      lackOf(thrown.message) !== undefined ||
      isRandomRowid(decode(sql.subarray(0, LONGEST_SCHEMA)));
    throw fail(messageOf(thrown), impossible ? "DRILL_IMPOSSIBLE" : "DRILL_FAILED", thrown);
  } finally {
    engine.guard = undefined;
  }
}

/**
 * Return true if it is the row with which a server's dump makes a virtual table: no other may go into the
 * schema.
 */
function isVirtualRow(sql: Uint8Array): boolean {
  const row = insertedRow(decode(sql.subarray(0, LONGEST_SCHEMA)));
  const [type, , , rootpage, create] = row?.values ?? [];
  return type === "table" && rootpage === "0" && moduleOf(create ?? "") !== undefined;
}

/** Return true if a statement may take this action while it is prepared; `denies` checks the rest. */
function isAllowed(
  verb: string,
  sql: Uint8Array,
  action: number,
  first: string,
  second: string | null,
): boolean {
  if (action === ACTION.PRAGMA) return PRAGMAS.has(first.toLowerCase());
  if (action === ACTION.RECURSIVE) return false;
  if (verb === "DELETE") return action !== ACTION.DELETE || first === "sqlite_sequence";
  if (verb !== "INSERT") return true;
  if (action === ACTION.INSERT) return first !== "sqlite_master" || isVirtualRow(sql);
  if (action === ACTION.UPDATE) return false;
  return action === ACTION.FUNCTION
    ? FUNCTIONS.has((second ?? "").toLowerCase())
    : action !== ACTION.READ;
}
