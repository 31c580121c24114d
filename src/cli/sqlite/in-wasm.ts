import factory from "@journeyapps/wa-sqlite/dist/wa-sqlite.mjs";
import { messageOf } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { CODE, TYPE } from "../../sqlite/engine/codes.ts";
import type { Emscripten } from "../../sqlite/engine/engine.ts";
import type { Authorizer, Bound, Database, Row, Statement, Value } from "./database.ts";
import { Disk } from "./disk.ts";
import { readWasm } from "./wasm.ts";

/** SQLITE_OPEN_READONLY; SQLITE_OPEN_READWRITE and SQLITE_OPEN_CREATE. */
const OPEN = { read: 1, write: 2 | 4 } as const;
/** SQLITE_TRANSIENT: SQLite copies the bytes that it is given. */
const TRANSIENT = -1;
/** Switches of a connection (https://sqlite.org/c3ref/c_dbconfig_defensive.html). */
const DOUBLE_QUOTED = [1013, 1014] as const;
/** Codes of errors whose reason the file system knows. */
const FROM_DISK: ReadonlySet<number> = new Set([8, 10, 13, 14]);

/** A mark of byte order at the start of a TEXT is a part of it. */
const TEXT = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

/**
 * Open a file with SQLite in WebAssembly, for a Node whose own cannot be guarded, or that has none. It has
 * neither R*Tree, FTS3 and FTS4 nor mathematical functions.
 *
 * @param copy another file that may be written
 */
export async function openInWasm(
  file: string,
  readOnly: boolean,
  allows: Authorizer,
  copy?: string,
): Promise<Database> {
  const module = await factory({ wasmBinary: readWasm("wa-sqlite") });
  const disk = new Disk(module, file, readOnly, copy);
  module.vfs_register(disk, true);
  return new WasmDatabase(module, disk, file, readOnly, allows);
}

class WasmDatabase implements Database {
  readonly module: Emscripten;
  readonly #disk: Disk;
  readonly #statements = new Set<number>();
  #db = 0;
  #broken: string | undefined;

  constructor(module: Emscripten, disk: Disk, file: string, readOnly: boolean, allows: Authorizer) {
    this.module = module;
    this.#disk = disk;
    this.#open(file, readOnly);
    // A WAL is then kept in memory, where this SQLite has no shared memory for it.
    if (!readOnly) this.exec("PRAGMA locking_mode=EXCLUSIVE");
    this.exec("PRAGMA cache_size=-65536");
    module.set_authorizer(
      this.#db,
      (_, action, first, second, schema) =>
        allows(action, this.#text(first), this.#text(second), this.#text(schema)) ? 0 : 1,
      null,
    );
  }

  #open(file: string, readOnly: boolean): void {
    const { module } = this;
    const name = this.copy(encode(file));
    const out = module._malloc(8);
    try {
      const code = module._sqlite3_open_v2(name, out, readOnly ? OPEN.read : OPEN.write, 0);
      this.#db = module.getValue(out, "*");
      if (code !== CODE.OK) throw this.error(code);
      for (const option of DOUBLE_QUOTED) {
        module.HEAPU8.set([1, 0, 0, 0, 0, 0, 0, 0], out);
        module._sqlite3_db_config(this.#db, option, out);
      }
    } finally {
      module._free(name);
      module._free(out);
    }
  }

  exec(sql: string | Uint8Array): void {
    const text = this.copy(typeof sql === "string" ? encode(sql) : sql);
    try {
      this.check(this.call(() => this.module._sqlite3_exec(this.#db, text, 0, 0, 0)));
    } finally {
      this.module._free(text);
    }
  }

  prepare(sql: string): Statement {
    const { module } = this;
    const text = this.copy(encode(sql));
    const out = module._malloc(4);
    try {
      this.check(this.call(() => module._sqlite3_prepare_v2(this.#db, text, -1, out, 0)));
      const pointer = module.getValue(out, "*");
      if (pointer === 0) throw new Error("there is no statement");
      this.#statements.add(pointer);
      return new WasmStatement(this, pointer);
    } finally {
      module._free(text);
      module._free(out);
    }
  }

  close(): void {
    if (this.#broken === undefined) {
      for (const pointer of this.#statements) this.module._sqlite3_finalize(pointer);
      this.module._sqlite3_close_v2(this.#db);
    }
    this.#statements.clear();
    this.#disk.close();
  }

  /** Call SQLite, which may break down: its stack is small. */
  call(action: () => number): number {
    if (this.#broken !== undefined) throw new Error(this.#broken);
    try {
      return action();
    } catch (thrown) {
      this.#broken = `SQLite broke down, most likely because a statement is nested too deeply: ${messageOf(thrown)}`;
      throw new Error(this.#broken, { cause: thrown });
    }
  }

  /** @throws Error for any code but OK */
  check(code: number): void {
    if (code !== CODE.OK) throw this.error(code);
  }

  /** Return the error of the last call: with the file system's own if that was the reason. */
  error(code: number): Error {
    const { failure } = this.#disk;
    this.#disk.failure = undefined;
    const told = this.module.UTF8ToString(this.module._sqlite3_errmsg(this.#db));
    return failure !== undefined && FROM_DISK.has(code & 0xff)
      ? new Error(`${told}: ${failure.message}`, { cause: failure })
      : new Error(told);
  }

  /** Copy `bytes` into SQLite's memory, with a NUL after them. The caller frees the copy. */
  copy(bytes: Uint8Array): number {
    const pointer = this.module._malloc(bytes.length + 1);
    if (pointer === 0) throw new Error("out of memory");
    this.module.HEAPU8.set(bytes, pointer);
    this.module.HEAPU8[pointer + bytes.length] = 0;
    return pointer;
  }

  #text(pointer: number): string | null {
    return pointer === 0 ? null : this.module.UTF8ToString(pointer);
  }
}

class WasmStatement implements Statement {
  readonly #database: WasmDatabase;
  readonly #pointer: number;
  readonly #names: readonly string[];

  constructor(database: WasmDatabase, pointer: number) {
    const { module } = database;
    this.#database = database;
    this.#pointer = pointer;
    this.#names = Array.from({ length: module._sqlite3_column_count(pointer) }, (_, at) =>
      module.UTF8ToString(module._sqlite3_column_name(pointer, at)),
    );
  }

  all(...args: readonly Bound[]): Row[] {
    return [...this.iterate(...args)];
  }

  get(...args: readonly Bound[]): Row | undefined {
    for (const row of this.iterate(...args)) return row;
    return undefined;
  }

  run(...args: readonly Bound[]): void {
    for (const row of this.cells(...args)) void row;
  }

  *iterate(...args: readonly Bound[]): Iterable<Row> {
    for (const cells of this.cells(...args))
      yield Object.fromEntries(this.#names.map((name, at) => [name, cells[at]!]));
  }

  *cells(...args: readonly Bound[]): Iterable<readonly Value[]> {
    const { module } = this.#database;
    try {
      args.forEach((value, at) => this.#database.check(this.#bind(at + 1, value)));
      for (;;) {
        const code = this.#database.call(() => module._sqlite3_step(this.#pointer));
        if (code === CODE.DONE) return;
        if (code !== CODE.ROW) throw this.#database.error(code);
        yield this.#names.map((_, at) => this.#value(at));
      }
    } finally {
      module._sqlite3_reset(this.#pointer);
      module._sqlite3_clear_bindings(this.#pointer);
    }
  }

  #bind(at: number, value: Bound): number {
    const { module } = this.#database;
    const statement = this.#pointer;
    if (value === null) return module._sqlite3_bind_null(statement, at);
    if (typeof value === "number") return module._sqlite3_bind_double(statement, at, value);
    if (typeof value === "bigint") {
      const [low, high] = [BigInt.asIntN(32, value), BigInt.asIntN(32, value >> 32n)];
      return module._sqlite3_bind_int64(statement, at, Number(low), Number(high));
    }
    const bytes = typeof value === "string" ? encode(value) : value;
    const copy = this.#database.copy(bytes);
    try {
      return typeof value === "string"
        ? module._sqlite3_bind_text(statement, at, copy, bytes.length, TRANSIENT)
        : module._sqlite3_bind_blob(statement, at, copy, bytes.length, TRANSIENT);
    } finally {
      module._free(copy);
    }
  }

  #value(at: number): Value {
    const { module } = this.#database;
    const statement = this.#pointer;
    switch (module._sqlite3_column_type(statement, at)) {
      case TYPE.INTEGER: {
        const low = module._sqlite3_column_int64(statement, at) >>> 0;
        const high = module.getTempRet0();
        const near = high * 0x1_0000_0000 + low;
        return Number.isSafeInteger(near) ? near : (BigInt(high) << 32n) | BigInt(low);
      }
      case TYPE.REAL:
        return module._sqlite3_column_double(statement, at);
      case TYPE.TEXT:
        return TEXT.decode(this.#bytes(at, module._sqlite3_column_text(statement, at)));
      case TYPE.BLOB:
        return this.#bytes(at, module._sqlite3_column_blob(statement, at)).slice();
      default:
        return null;
    }
  }

  #bytes(at: number, from: number): Uint8Array {
    const { module } = this.#database;
    return module.HEAPU8.subarray(from, from + module._sqlite3_column_bytes(this.#pointer, at));
  }
}
