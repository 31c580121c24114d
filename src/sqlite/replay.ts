import { asNightjarError, messageOf, NightjarError } from "../errors.ts";
import { decode } from "../format/bytes.ts";
import { LoadableDump } from "../format/loadable-dump.ts";
import { SqlScanner } from "../format/sql-scanner.ts";
import { Engine, SqliteError } from "./engine.ts";
import { Image } from "./image.ts";
import { isRandomRowid } from "./patch.ts";
import { allRows } from "./rows.ts";
import { Statement } from "./statement.ts";

/** Bytes that a database in memory may take. */
const HEAP_LIMIT = 80 * 1024 * 1024;
/** The longest statement that is taken; bytes. */
const MAX_STATEMENT = 24 * 1024 * 1024;

/** As much of a statement is looked at for what only libSQL knows; bytes. */
const LONGEST_SCHEMA = 64 * 1024;

/** What stock SQLite says of things that only libSQL, or a module that is not built in here, can do. */
const NEEDS_MORE = /no such (?:module|function)/;

/**
 * Run the SQL of a dump in a new database in memory.
 *
 * @throws NightjarError `DUMP_UNSAFE`; `DRILL_FAILED` for SQL that SQLite refuses; `DRILL_IMPOSSIBLE` for what this
 *   SQLite cannot do or has no memory for; whatever `text` throws
 */
export async function replayDumpWith(
  wasm: WebAssembly.Module,
  text: AsyncIterable<Uint8Array>,
): Promise<Image> {
  const engine = await Engine.start(wasm, NO_PAGES, HEAP_LIMIT);
  await engine.open("memory");
  // There are no files to sort in, which a large index needs.
  await allRows(engine, "PRAGMA temp_store=MEMORY", () => undefined);
  let waiting: Uint8Array[] = [];
  let number = 0;
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
    scanner.push(chunk);
    for (const statement of waiting) await run(engine, statement, ++number);
    waiting = [];
  }
  return new Image(engine, new Map());
}

const NO_PAGES = {
  pageSize: 4096,
  pageCount: 0,
  readPage: async (): Promise<never> => {
    throw new NightjarError("INTERNAL", "A database in memory has no stored pages.");
  },
};

async function run(engine: Engine, sql: Uint8Array, number: number): Promise<void> {
  try {
    const { statement } = await Statement.prepare(engine, sql);
    if (statement === undefined) return;
    try {
      while (await statement.step());
    } finally {
      await statement.finalize();
    }
  } catch (thrown) {
    if (!(thrown instanceof SqliteError)) throw asNightjarError(thrown);
    const text = decode(sql.subarray(0, LONGEST_SCHEMA));
    const start = text.slice(0, 80).replaceAll(/\s+/g, " ");
    const impossible = thrown.outOfMemory || NEEDS_MORE.test(thrown.message) || isRandomRowid(text);
    throw new NightjarError(
      impossible ? "DRILL_IMPOSSIBLE" : "DRILL_FAILED",
      `Statement ${number} of the dump (${start}…) is refused: ${messageOf(thrown)}.`,
      { cause: thrown },
    );
  }
}
