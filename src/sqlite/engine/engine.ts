import { setImmediate } from "node:timers";
import factory from "@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs";
import { messageOf, NightjarError } from "../../errors/errors.ts";
import { decode, encode } from "../../format/bytes/bytes.ts";
import type { PageReader } from "../../format/pages/page.ts";
import { CODE, LIMIT } from "./codes.ts";
import { registerFunctions } from "./functions.ts";
import { denies } from "./guard.ts";
import { PageFile, type Settled, settled } from "./vfs.ts";

type Authorizer = (
  application: unknown,
  action: number,
  first: number,
  second: number,
  schema: number,
  cause: number,
) => number;

/** The parts of wa-sqlite's Emscripten module that are used here. */
export interface Emscripten {
  readonly HEAPU8: Uint8Array;
  ccall(
    name: string,
    returns: "number",
    types: readonly [],
    args: readonly number[],
  ): number | Promise<number>;
  UTF8ToString(pointer: number): string;
  getValue(pointer: number, type: "*"): number;
  getTempRet0(): number;
  vfs_register(vfs: object, makeDefault: boolean): number;
  set_authorizer(db: number, authorizer: Authorizer, application: unknown): number;
  progress_handler(
    db: number,
    steps: number,
    handler: () => Settled | Promise<number>,
    application: unknown,
  ): void;
  create_function(
    db: number,
    name: string,
    args: number,
    flags: number,
    application: unknown,
    call: (context: number, count: number, values: number) => void,
  ): number;
  _sqlite3_malloc(bytes: number): number;
  _sqlite3_free(pointer: number): void;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _sqlite3_shutdown(): number;
  _sqlite3_initialize(): number;
  _sqlite3_config(option: number, variadic: number): number;
  _sqlite3_hard_heap_limit64(low: number, high: number): number;
  _sqlite3_errmsg(db: number): number;
  _sqlite3_extended_errcode(db: number): number;
  _sqlite3_limit(db: number, limit: number, value: number): number;
  _sqlite3_db_config(db: number, option: number, variadic: number): number;
  _sqlite3_value_type(value: number): number;
  _sqlite3_value_bytes(value: number): number;
  _sqlite3_value_blob(value: number): number;
  _sqlite3_value_text(value: number): number;
  _sqlite3_value_dup(value: number): number;
  _sqlite3_value_free(value: number): void;
  _sqlite3_value_int64(value: number): number;
  _sqlite3_value_double(value: number): number;
  _sqlite3_open_v2(name: number, out: number, flags: number, vfs: number): number;
  _sqlite3_prepare_v2(db: number, sql: number, bytes: number, out: number, tail: number): number;
  _sqlite3_exec(db: number, sql: number, each: 0, application: 0, error: 0): number;
  _sqlite3_close_v2(db: number): number;
  _sqlite3_finalize(statement: number): number;
  _sqlite3_step(statement: number): number;
  _sqlite3_reset(statement: number): number;
  _sqlite3_clear_bindings(statement: number): number;
  _sqlite3_bind_value(statement: number, at: number, value: number): number;
  _sqlite3_bind_zeroblob(statement: number, at: number, bytes: number): number;
  _sqlite3_column_value(statement: number, at: number): number;
  _sqlite3_result_value(context: number, value: number): void;
  _sqlite3_result_zeroblob64(context: number, low: number, high: number): number;
  _sqlite3_result_int(context: number, value: number): void;
  _sqlite3_result_int64(context: number, low: number, high: number): void;
  _sqlite3_result_double(context: number, value: number): void;
  _sqlite3_result_null(context: number): void;
  _sqlite3_result_blob(context: number, blob: number, bytes: number, free: number): void;
  _sqlite3_result_text(context: number, text: number, bytes: number, free: number): void;
  _sqlite3_result_error(context: number, text: number, bytes: number): void;
  _sqlite3_result_error_code(context: number, code: number): void;
  _sqlite3_result_error_nomem(context: number): void;
  _sqlite3_result_error_toobig(context: number): void;
  _sqlite3_strlike(pattern: number, text: number, escape: number): number;
  _sqlite3_strglob(pattern: number, text: number): number;
  _sqlite3_memory_used(): number;
  _sqlite3_memory_highwater(reset: number): number;
  _sqlite3_overload_function(db: number, name: number, args: number): number;
  _sqlite3_bind_parameter_count(statement: number): number;
  _sqlite3_bind_null(statement: number, at: number): number;
  _sqlite3_bind_int64(statement: number, at: number, low: number, high: number): number;
  _sqlite3_bind_double(statement: number, at: number, value: number): number;
  _sqlite3_bind_text(s: number, at: number, text: number, bytes: number, free: number): number;
  _sqlite3_bind_blob(s: number, at: number, blob: number, bytes: number, free: number): number;
  _sqlite3_column_count(statement: number): number;
  _sqlite3_column_name(statement: number, at: number): number;
  _sqlite3_column_type(statement: number, at: number): number;
  _sqlite3_column_int64(statement: number, at: number): number;
  _sqlite3_column_double(statement: number, at: number): number;
  _sqlite3_column_text(statement: number, at: number): number;
  _sqlite3_column_blob(statement: number, at: number): number;
  _sqlite3_column_bytes(statement: number, at: number): number;
  _sqlite3_stmt_readonly(statement: number): number;
}

/**
 * Bytes that SQLite may allocate for one image: a Worker has 128 MB in all. A query that needs more
 * (sorting millions of rows) fails with `QUERY_LIMIT`.
 */
const IMAGE_HEAP = 32 * 1024 * 1024;
const CONFIG_MEMSTATUS = 9;
/** SQLITE_OPEN_… (https://sqlite.org/c3ref/c_open_autoproxy.html). */
const OPEN = { read: 1, patch: 2, memory: 2 | 0x80 } as const;
/** Steps of SQLite's virtual machine between two calls of the progress handler. */
export const STEPS_PER_TICK = 200;

/** Switches of a connection (https://sqlite.org/c3ref/c_dbconfig_defensive.html). */
const SWITCH = {
  triggers: 1003,
  defensive: 1010,
  doubleQuotedInQueries: 1013,
  doubleQuotedInSchema: 1014,
  trustedSchema: 1017,
} as const;
/** Arguments of a function at most: SQLite's own limit up to 3.48, and so libSQL's. */
const MOST_ARGUMENTS = 127;

/** Steps that any database may take, and steps for each byte of it: see docs/limits.md. */
const BASE_STEPS = 100_000_000;
const STEPS_PER_BYTE = 64;
/**
 * Wall time that one engine may spend inside of SQLite, ms, the reading of pages included: less than the
 * CPU time that a Worker has (`cpu_ms` in wrangler.jsonc).
 */
export const MOST_BUSY = 4 * 60_000;
/**
 * Bytes of the longest value, stored or computed. No database holds one that is longer than itself, and
 * twice that is left for what its schema makes of it, as hex() does. The least is what a query may have.
 */
const SHORT_VALUE = 1024 * 1024;
const VALUE_BYTES_PER_BYTE = 2;
const LONGEST_VALUE = 1_000_000_000;

/**
 * A Worker has one thread: while SQLite works, nothing else is answered. So SQLite is suspended for a
 * moment (asyncify) after this many ticks at most, and sooner as long as steps turn out to be slow; also
 * after this many pages that were available at once.
 */
const MOST_TICKS = 64;
const SLOW_MS = 25;
const READS_PER_PAUSE = 128;
/**
 * Bytes that count as one more tick, of memory that SQLite took and gave back within a tick: a sign of long
 * values.
 */
const BYTES_PER_TICK = 8192;
/** Work that the functions of functions.ts may do between two ticks, in steps: about a second. */
const MOST_WORK = 25_000_000;

/** Bytes of a statement that are shown in errors. */
export const SHOWN = 80;

/** Let the other requests of the isolate run, and the clock go on (workerd stops it in between). */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The prototype by which wa-sqlite recognises a callback whose answer may come later. */
const LATER: object = Object.getPrototypeOf(async () => {}) as object;

/** An error that SQLite itself reported, in its own words. */
export class SqliteError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }

  get outOfMemory(): boolean {
    return this.code === CODE.NOMEM;
  }
}

/**
 * One instance of SQLite in WebAssembly, with one database of stored pages. Every image has its own
 * instance (2 ms, 17 MB): asyncify suspends only one call at a time, so images in one instance would wait
 * for each other, and for ever if the request that one belongs to is cancelled in the middle of a read.
 * Dropping the instance frees all of its memory.
 */
export class Engine {
  readonly module: Emscripten;
  readonly file: PageFile;
  /**
   * Decides about each action of a statement that is being prepared. Without it, only what `denies` names
   * is refused.
   */
  guard: ((action: number, first: string, second: string | null) => boolean) | undefined;
  /** Called every `STEPS_PER_TICK` steps; true interrupts the statement. Must not throw. */
  stop: (() => boolean) | undefined;
  /** Steps of SQLite's virtual machine so far, including those that long values and functions.ts count as. */
  steps = 0;
  /** Pauses in which other work of the isolate could run. */
  pauses = 0;
  #allowed = BASE_STEPS;
  #busy = 0;
  #since = 0;
  #db = 0;
  #broken: string | undefined;
  /** The SQL of the statement that was prepared or stepped last, or its start. */
  running: Uint8Array = new Uint8Array();
  #exceeded: string | undefined;
  /** Ticks between two pauses, and how many of them are left. */
  #slice = 1;
  #left = 1;
  #longest = SHORT_VALUE;
  readonly #heapLimit: number;
  /** Work of our functions since the last tick; the reason why one of them was refused. */
  #work = 0;
  #refused: string | undefined;
  /** Steps of short statements that have not yet made a tick. */
  #short = 0;

  private constructor(module: Emscripten, pages: PageReader, heapLimit: number) {
    this.module = module;
    this.#heapLimit = heapLimit;
    module._sqlite3_hard_heap_limit64(heapLimit, 0);
    this.file = new PageFile(pages, module, READS_PER_PAUSE, () => this.#pause());
    this.allowFor(pages.pageSize * pages.pageCount);
  }

  /**
   * Allow the steps that all work on `bytes` of a database may take, and values of the length that it can
   * have. The steps hold for everything that the engine does from its start on.
   */
  allowFor(bytes: number): void {
    this.#allowed = BASE_STEPS + STEPS_PER_BYTE * bytes;
    this.#longest = Math.min(Math.max(SHORT_VALUE, VALUE_BYTES_PER_BYTE * bytes), LONGEST_VALUE);
    if (this.#db !== 0) this.module._sqlite3_limit(this.#db, LIMIT.LENGTH, this.#longest);
  }

  /** @param heapLimit bytes that SQLite may allocate */
  static async start(
    wasm: WebAssembly.Module,
    pages: PageReader,
    heapLimit = IMAGE_HEAP,
  ): Promise<Engine> {
    const module = await factory({
      instantiateWasm(
        imports: WebAssembly.Imports,
        ready: (instance: WebAssembly.Instance) => void,
      ) {
        void WebAssembly.instantiate(wasm, imports).then(ready);
        return {};
      },
    });
    // This build does not count what it allocates, and a limit works only if that is counted.
    const on = module._malloc(4);
    module.HEAPU8.set([1, 0, 0, 0], on);
    module._sqlite3_shutdown();
    module._sqlite3_config(CONFIG_MEMSTATUS, on);
    module._sqlite3_initialize();
    module._free(on);
    const engine = new Engine(module, pages, heapLimit);
    module.vfs_register(engine.file, true);
    return engine;
  }

  /** Open the database: to read it, to patch it (written pages stay in memory), or as a new one in memory. */
  async open(mode: keyof typeof OPEN): Promise<void> {
    const { module } = this;
    this.file.patching = mode === "patch";
    const name = this.bytes(encode("image"));
    const out = module._malloc(4);
    try {
      const code = await this.call("sqlite3_open_v2", name, out, OPEN[mode], 0);
      this.#db = module.getValue(out, "*");
      if (code !== CODE.OK) throw this.error(code);
    } finally {
      module._free(name);
      module._free(out);
    }
    this.switch("trustedSchema", false);
    module._sqlite3_limit(this.#db, LIMIT.LENGTH, this.#longest);
    module._sqlite3_limit(this.#db, LIMIT.ATTACHED, 0);
    module._sqlite3_limit(this.#db, LIMIT.FUNCTION_ARG, MOST_ARGUMENTS);
    registerFunctions(this);
    module.set_authorizer(
      this.#db,
      (_, action, first, second) =>
        this.#allows(action, this.#text(first) ?? "", this.#text(second)) ? 0 : 1,
      null,
    );
    const handler = (): Settled | Promise<number> => this.#onTick();
    Object.setPrototypeOf(handler, LATER);
    module.progress_handler(this.#db, STEPS_PER_TICK, handler, null);
  }

  /** Allow this many steps from now on, if that is more than is left. */
  allowMore(steps: number): void {
    this.#allowed = Math.max(this.#allowed, this.steps + steps);
  }

  /** Run `body` while SQLite may allocate only this many bytes more. Beyond them it fails with NOMEM. */
  async withHeap<T>(bytes: number, body: () => Promise<T>): Promise<T> {
    const { module } = this;
    const limit = Math.min(module._sqlite3_memory_used() + bytes, this.#heapLimit);
    module._sqlite3_hard_heap_limit64(limit, 0);
    try {
      return await body();
    } finally {
      module._sqlite3_hard_heap_limit64(this.#heapLimit, 0);
    }
  }

  /** Turn one of the connection's switches on or off. */
  switch(option: keyof typeof SWITCH, on: boolean): void {
    const variadic = this.module._malloc(8);
    this.module.HEAPU8.set([on ? 1 : 0, 0, 0, 0, 0, 0, 0, 0], variadic);
    const code = this.module._sqlite3_db_config(this.#db, SWITCH[option], variadic);
    this.module._free(variadic);
    if (code !== CODE.OK) throw this.error(code);
  }

  #allows(action: number, first: string, second: string | null): boolean {
    // Ask the guard first: it remembers why it refuses.
    if (this.guard?.(action, first, second) === false) return false;
    return !denies(action, first, second);
  }

  /**
   * Count work that one step of SQLite's machine does at once, in steps.
   *
   * @returns false when it is too much, and must not be done
   */
  charge(steps: number): boolean {
    if (this.#work + steps > MOST_WORK) {
      this.refuse("more than a second at once");
      return false;
    }
    this.steps += steps;
    this.#work += steps;
    return !this.#stops();
  }

  /** Remember why a function was refused. It then ends its statement with SQLITE_INTERRUPT. */
  refuse(what: string): void {
    this.#refused = what;
  }

  /**
   * Count a statement that is too short for a tick of its own, and let other work run from time to time.
   *
   * @param steps its steps, roughly
   * @throws NightjarError `QUERY_LIMIT` when there were too many in all
   */
  async passStatement(steps: number): Promise<void> {
    this.#short += steps;
    if (this.#short < STEPS_PER_TICK) return;
    this.#short -= STEPS_PER_TICK;
    if ((await this.#onTick()) !== 0) throw this.error(CODE.INTERRUPT);
  }

  #onTick(): Settled | Promise<number> {
    const passing = this.#passingMemory() / BYTES_PER_TICK;
    this.steps += Math.round(STEPS_PER_TICK * (1 + passing));
    this.#left -= 1 + this.#work / STEPS_PER_TICK + passing;
    this.#work = 0;
    if (this.#stops()) return settled(1);
    if (this.#left > 0) return settled(0);
    return this.#pause().then(() => (this.#stops() ? 1 : 0));
  }

  /** Return the bytes that SQLite has taken since the last tick beyond those that it holds now. */
  #passingMemory(): number {
    const { module } = this;
    return module._sqlite3_memory_highwater(1) - module._sqlite3_memory_used();
  }

  #stops(): boolean {
    if (this.stop?.() === true) return true;
    if (this.steps > this.#allowed)
      this.#exceeded = `more than ${this.#allowed} steps of SQLite's machine`;
    else if (this.#busy > MOST_BUSY) this.#exceeded = `more than ${MOST_BUSY / 60_000} minutes`;
    return this.#exceeded !== undefined;
  }

  /** Let other work run, and measure by the clock, which only goes on now, how slow the steps are. */
  async #pause(): Promise<void> {
    this.pauses++;
    await breathe();
    const now = Date.now();
    const took = now - this.#since;
    this.#busy += took;
    this.#since = now;
    this.#slice =
      took > SLOW_MS ? Math.max(this.#slice >> 2, 1) : Math.min(this.#slice * 2, MOST_TICKS);
    this.#left = this.#slice;
  }

  async close(): Promise<void> {
    await this.call("sqlite3_close_v2", this.#db);
    this.#db = 0;
  }

  get db(): number {
    return this.#db;
  }

  /**
   * Call a function that may read pages. Its result is available at once if every page was in SQLite's
   * cache, and later otherwise.
   *
   * @throws NightjarError `QUERY_FAILED` when SQLite itself breaks down (its stack is small)
   */
  call(name: string, ...args: number[]): number | Promise<number> {
    if (this.#broken !== undefined) throw new NightjarError("QUERY_FAILED", this.#broken);
    this.#since = Date.now();
    try {
      const code = this.module.ccall(name, "number", [], args);
      return typeof code === "number" ? code : code.catch((thrown: unknown) => this.#trap(thrown));
    } catch (thrown) {
      return this.#trap(thrown);
    }
  }

  /** Return the error of the last call: the page reader's own if that was the reason. */
  error(code: number): Error {
    const { failure } = this.file;
    this.file.failure = undefined;
    if (failure !== undefined) return failure;
    const exceeded = this.#refused ?? this.#exceeded;
    this.#refused = undefined;
    if ((code & 0xff) === CODE.INTERRUPT && exceeded !== undefined)
      return new NightjarError(
        "QUERY_LIMIT",
        `SQLite took ${exceeded} for ${startOf(this.running)}.`,
        {
          hint: "Look at what the schema computes for each row: generated columns, CHECKs, triggers and indexes on expressions. Download the backup to work with it on a machine.",
        },
      );
    return new SqliteError(
      code & 0xff,
      this.module.UTF8ToString(this.module._sqlite3_errmsg(this.#db)),
    );
  }

  /** Copy `bytes` into the instance's memory, with a NUL after them. The caller frees the copy. */
  bytes(bytes: Uint8Array): number {
    const pointer = this.module._malloc(bytes.length + 1);
    if (pointer === 0) throw new SqliteError(CODE.NOMEM, "out of memory");
    this.module.HEAPU8.set(bytes, pointer);
    this.module.HEAPU8[pointer + bytes.length] = 0;
    return pointer;
  }

  #text(pointer: number): string | null {
    return pointer === 0 ? null : this.module.UTF8ToString(pointer);
  }

  #trap(thrown: unknown): never {
    this.#broken = `SQLite broke down, most likely because the statement is nested too deeply: ${messageOf(thrown)}`;
    throw new NightjarError("QUERY_FAILED", this.#broken, { cause: thrown });
  }
}

/** Return the start of a statement, for errors. */
export function startOf(sql: Uint8Array): string {
  const start = decode(sql.subarray(0, SHOWN)).replaceAll(/\s+/g, " ").trim();
  return sql.length > SHOWN ? `${start}…` : start;
}
