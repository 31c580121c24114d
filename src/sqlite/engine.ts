import factory from "@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs";
import { messageOf, NightjarError } from "../errors.ts";
import type { PageReader } from "../format/page.ts";
import { PageFile } from "./vfs.ts";

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
  progress_handler(db: number, steps: number, handler: () => number, application: unknown): void;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _sqlite3_shutdown(): number;
  _sqlite3_initialize(): number;
  _sqlite3_config(option: number, variadic: number): number;
  _sqlite3_hard_heap_limit64(low: number, high: number): number;
  _sqlite3_errmsg(db: number): number;
  _sqlite3_extended_errcode(db: number): number;
  _sqlite3_limit(db: number, limit: number, value: number): number;
  _sqlite3_memory_used(): number;
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

/** SQLite's result codes that matter here (https://sqlite.org/rescode.html). */
export const CODE = { OK: 0, NOMEM: 7, INTERRUPT: 9, AUTH: 23, ROW: 100, DONE: 101 } as const;

/**
 * How much SQLite may allocate for one image, in bytes: a Worker has 128 MB in all. A query that needs
 * more (sorting millions of rows) fails with `QUERY_LIMIT`.
 */
const IMAGE_HEAP = 32 * 1024 * 1024;
const CONFIG_MEMSTATUS = 9;
/** SQLITE_OPEN_… (https://sqlite.org/c3ref/c_open_autoproxy.html). */
const OPEN = { read: 1, patch: 2, memory: 2 | 0x80 } as const;
/** Steps of SQLite's virtual machine between two calls of the progress handler. */
export const STEPS_PER_TICK = 1000;

/** An error that SQLite itself told, in its own words. */
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
 * instance (2 ms, 17 MB): asyncify suspends only one call at a time, so that images in one instance
 * would wait for each other, and for ever when the request that one belongs to is cancelled in the
 * middle of a read. Dropping the instance frees all of its memory.
 */
export class Engine {
  readonly module: Emscripten;
  readonly file: PageFile;
  /** Decides about what a statement wants while it is being prepared; everything is allowed without one. */
  guard: ((action: number, first: string, second: string | null) => boolean) | undefined;
  /** Called every `STEPS_PER_TICK` steps; true interrupts the statement. */
  tick: (() => boolean) | undefined;
  #db = 0;
  #broken: string | undefined;

  private constructor(module: Emscripten, pages: PageReader) {
    this.module = module;
    this.file = new PageFile(pages, module);
  }

  /** @param heapLimit what SQLite may allocate, bytes */
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
    // This build does not count what it allocates, and a limit works only if it does.
    const on = module._malloc(4);
    module.HEAPU8.set([1, 0, 0, 0], on);
    module._sqlite3_shutdown();
    module._sqlite3_config(CONFIG_MEMSTATUS, on);
    module._sqlite3_initialize();
    module._sqlite3_hard_heap_limit64(heapLimit, 0);
    module._free(on);
    const engine = new Engine(module, pages);
    module.vfs_register(engine.file, true);
    return engine;
  }

  /** Open the database to read it, so that written pages are kept in memory, or a new one in memory. */
  async open(mode: keyof typeof OPEN): Promise<void> {
    const { module } = this;
    this.file.patching = mode === "patch";
    const name = this.bytes(new TextEncoder().encode("image"));
    const out = module._malloc(4);
    try {
      const code = await this.call("sqlite3_open_v2", name, out, OPEN[mode], 0);
      this.#db = module.getValue(out, "*");
      if (code !== CODE.OK) throw this.error(code);
    } finally {
      module._free(name);
      module._free(out);
    }
    module.set_authorizer(
      this.#db,
      (_, action, first, second) =>
        this.guard === undefined || this.guard(action, this.#text(first) ?? "", this.#text(second))
          ? 0
          : 1,
      null,
    );
    module.progress_handler(this.#db, STEPS_PER_TICK, () => (this.tick?.() === true ? 1 : 0), null);
  }

  async close(): Promise<void> {
    await this.call("sqlite3_close_v2", this.#db);
    this.#db = 0;
  }

  get db(): number {
    return this.#db;
  }

  /**
   * Call a function that may read pages. Its result is there at once when every page was in SQLite's
   * cache, and else later.
   *
   * @throws NightjarError `QUERY_FAILED` when SQLite itself breaks down (its stack is small)
   */
  call(name: string, ...args: number[]): number | Promise<number> {
    if (this.#broken !== undefined) throw new NightjarError("QUERY_FAILED", this.#broken);
    try {
      const code = this.module.ccall(name, "number", [], args);
      return typeof code === "number" ? code : code.catch((thrown: unknown) => this.#trap(thrown));
    } catch (thrown) {
      return this.#trap(thrown);
    }
  }

  /** What the last call failed with: the page reader's own error where that was the reason. */
  error(code: number): Error {
    const { failure } = this.file;
    this.file.failure = undefined;
    if (failure !== undefined) return failure;
    return new SqliteError(
      code & 0xff,
      this.module.UTF8ToString(this.module._sqlite3_errmsg(this.#db)),
    );
  }

  /** A copy of `bytes` in the instance's memory, with a NUL behind it; the caller frees it. */
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
