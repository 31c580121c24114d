import { NightjarError } from "../errors/errors.ts";
import { encode } from "../format/bytes/bytes.ts";
import { ACTION, CODE, LIMIT } from "./engine/codes.ts";
import type { JsonValue } from "../format/rows/json-value.ts";
import { type Engine, SqliteError } from "./engine/engine.ts";
import { refusal } from "./engine/guard.ts";
import type { Image } from "./engine/image.ts";
import { Statement } from "./engine/statement.ts";
import { readValue, toBound, valueSize } from "./engine/value.ts";

export interface Query {
  /** One statement. */
  readonly sql: string;
  /** The values of its `?` parameters, in order, in the forms of `JsonValue`. */
  readonly args?: readonly unknown[];
}

export interface QueryLimits {
  /** Wall time in ms. In workerd the clock stands still between two reads of pages, hence `steps`. */
  readonly ms: number;
  /** Steps of SQLite's virtual machine; about 25 million take a second. */
  readonly steps: number;
  readonly rows: number;
  /** Bytes of the rows as JSON, roughly. */
  readonly bytes: number;
}

export const DEFAULT_LIMITS: QueryLimits = {
  ms: 20_000,
  steps: 500_000_000,
  rows: 10_000,
  bytes: 8 * 1024 * 1024,
};

export interface Answer {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly JsonValue[])[];
  /** Always false: an answer that would be longer than the limits is an error, never a part. */
  readonly truncated: false;
  /** Steps of SQLite's virtual machine, in thousands of them. */
  readonly steps: number;
  /** Pages that were read for it. */
  readonly pages: number;
}

/**
 * Bytes of the longest value of a query, stored or computed: what one step of SQLite's machine does is then
 * a matter of milliseconds.
 */
const MAX_VALUE = 1024 * 1024;
/** Calls of functions in a statement's text at most: SQLite cannot be stopped between two of them. */
const MAX_CALLS = 256;

/**
 * Bytes that the preparation of a statement and of the views that it reads may take. Nothing can interrupt
 * SQLite while it prepares, and its work then grows with the square of this: a little over a second at the
 * most in everything that was tried.
 */
const MAX_PREPARED = 4 * 1024 * 1024;

/** Bytes of the longest SQL that is looked at. */
const MAX_SQL = 100_000;

/**
 * Run one query on the image.
 *
 * @throws NightjarError `QUERY_REFUSED` when it is not one reading statement, `QUERY_FAILED` with
 *   SQLite's own words, `QUERY_LIMIT` naming the limit, `OBJECT_CORRUPT`; the page reader's own
 */
export function runQuery(
  image: Image,
  query: Query,
  limits: QueryLimits = DEFAULT_LIMITS,
  now: () => number = Date.now,
): Promise<Answer> {
  return image.exclusive(async (engine) => {
    const watch = new Watch(engine, limits, now);
    try {
      return await answer(engine, query, watch);
    } catch (thrown) {
      throw watch.explain(thrown);
    } finally {
      watch.end();
    }
  });
}

async function answer(engine: Engine, { sql, args = [] }: Query, watch: Watch): Promise<Answer> {
  const bound = args.map(toBound);
  const readsBefore = engine.file.reads;
  const statement = await watch.prepare(() => prepareOnly(engine, sql));
  try {
    if (!statement.readOnly) throw refused("The statement does more than read.");
    if (statement.parameters !== bound.length)
      throw refused(
        `The statement has ${statement.parameters} parameters, and ${bound.length} arguments came with it.`,
      );
    bound.forEach((value, at) => statement.bind(at + 1, value));
    const columns = Array.from({ length: statement.columns }, (_, at) => statement.name(at));
    const rows: JsonValue[][] = [];
    for (;;) {
      const more = statement.step();
      if (!(typeof more === "boolean" ? more : await more)) break;
      rows.push(
        columns.map((_, at) => {
          watch.addBytes(valueSize(statement, at));
          return readValue(statement, at);
        }),
      );
      watch.addRow();
    }
    return {
      columns,
      rows,
      truncated: false,
      steps: watch.steps,
      pages: engine.file.reads - readsBefore,
    };
  } finally {
    await statement.finalize();
  }
}

/**
 * Prepare `sql`, which must be exactly one statement.
 *
 * @throws NightjarError `QUERY_REFUSED`; SqliteError
 */
export async function prepareOnly(engine: Engine, sql: string): Promise<Statement> {
  const bytes = encode(sql);
  if (bytes.length > MAX_SQL)
    throw refused(`The SQL has ${bytes.length} bytes; at most ${MAX_SQL} are looked at.`);
  if (bytes.includes(0))
    throw refused("The SQL has a NUL byte, at which SQLite would stop reading.");
  const { statement, rest } = await Statement.prepare(engine, bytes);
  if (statement === undefined) throw refused("There is no statement.");
  try {
    const next = await Statement.prepare(engine, rest).catch((thrown: unknown) => {
      if (!(thrown instanceof SqliteError)) throw thrown;
      throw refused("There is more than one statement.");
    });
    if (next.statement !== undefined) {
      await next.statement.finalize();
      throw refused("There is more than one statement.");
    }
  } catch (thrown) {
    await statement.finalize();
    throw thrown;
  }
  return statement;
}

/** Holds a running query to its limits, and remembers which of them it exceeded. */
class Watch {
  readonly #engine: Engine;
  readonly #limits: QueryLimits;
  readonly #now: () => number;
  readonly #begun: number;
  readonly #stepsBefore: number;
  readonly #lengthBefore: number;
  #calls = 0;
  #rows = 0;
  #bytes = 0;
  #refused: string | undefined;
  #met: NightjarError | undefined;

  constructor(engine: Engine, limits: QueryLimits, now: () => number) {
    this.#engine = engine;
    this.#limits = limits;
    this.#now = now;
    this.#begun = now();
    this.#stepsBefore = engine.steps;
    engine.allowMore(limits.steps);
    this.#lengthBefore = engine.module._sqlite3_limit(engine.db, LIMIT.LENGTH, MAX_VALUE);
    engine.guard = (action, first, second) => {
      this.#refused ??= refusal(action, first, second);
      if (action === ACTION.FUNCTION && ++this.#calls > MAX_CALLS)
        this.#met ??= limit(`more than ${MAX_CALLS} calls of functions in the statement`);
      return this.#refused === undefined && this.#met === undefined;
    };
    engine.stop = () => {
      this.#check();
      return this.#met !== undefined;
    };
  }

  /** Run `prepare` within the limits for the preparation of a statement. */
  async prepare<T>(prepare: () => Promise<T>): Promise<T> {
    try {
      return await this.#engine.withHeap(MAX_PREPARED, prepare);
    } catch (thrown) {
      if (thrown instanceof SqliteError && thrown.outOfMemory)
        this.#met ??= limit(
          `more than ${MAX_PREPARED >> 20} MiB to prepare the statement and its views`,
        );
      throw thrown;
    }
  }

  /** Steps of SQLite's machine so far. */
  get steps(): number {
    return this.#engine.steps - this.#stepsBefore;
  }

  end(): void {
    const { module, db } = this.#engine;
    module._sqlite3_limit(db, LIMIT.LENGTH, this.#lengthBefore);
    this.#engine.guard = undefined;
    this.#engine.stop = undefined;
  }

  addRow(): void {
    this.#rows++;
    if (this.#rows > this.#limits.rows) throw limit(`more than ${this.#limits.rows} rows`);
    this.#check();
    if (this.#met !== undefined) throw this.#met;
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#limits.bytes)
      throw limit(`more than ${this.#limits.bytes} bytes of rows`);
  }

  /** Return the error to report for what SQLite threw. */
  explain(thrown: unknown): unknown {
    if (!(thrown instanceof SqliteError)) return thrown;
    if (this.#met !== undefined) return this.#met;
    if (thrown.code === CODE.TOOBIG) return limit(`a value of more than ${MAX_VALUE} bytes`);
    // A pragma that is read as a table is prepared, and refused, while its rows are read: no SQLITE_AUTH.
    if (this.#refused !== undefined) return refused(this.#refused);
    return thrown;
  }

  #check(): void {
    if (this.steps > this.#limits.steps)
      this.#met = limit(`more than ${this.#limits.steps} steps of SQLite's machine`);
    else if (this.#now() - this.#begun > this.#limits.ms)
      this.#met = limit(`more than ${this.#limits.ms} ms`);
  }
}

function limit(what: string): NightjarError {
  return new NightjarError("QUERY_LIMIT", `The query met its limit: ${what}.`);
}

function refused(message: string): NightjarError {
  return new NightjarError("QUERY_REFUSED", message);
}
