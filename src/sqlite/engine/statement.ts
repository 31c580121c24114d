import type { SqlValue } from "../../format/rows/json-value.ts";
import { CODE, TYPE } from "./codes.ts";
import { type Engine, SHOWN } from "./engine.ts";

export { TYPE };

/** SQLITE_TRANSIENT: SQLite copies the bytes that it is given. */
const TRANSIENT = -1;

/** A value that can be bound. */
export type Bound = SqlValue;

/** One prepared statement. Finalize it, or its memory stays taken until the image is closed. */
export class Statement {
  readonly columns: number;
  readonly #engine: Engine;
  readonly #pointer: number;
  readonly #start: Uint8Array;

  /** @param start the start of its SQL, for errors */
  constructor(engine: Engine, pointer: number, start: Uint8Array) {
    this.#engine = engine;
    this.#pointer = pointer;
    this.#start = start;
    this.columns = engine.module._sqlite3_column_count(pointer);
  }

  /**
   * Prepare the first statement of `sql`.
   *
   * @returns the statement (none for mere comments) and the bytes after it
   * @throws SqliteError; whatever the page reader threw
   */
  static async prepare(
    engine: Engine,
    sql: Uint8Array,
  ): Promise<{ statement: Statement | undefined; rest: Uint8Array }> {
    const { module } = engine;
    const start = sql.slice(0, SHOWN + 1);
    engine.running = start;
    const text = engine.bytes(sql);
    const out = module._malloc(8);
    try {
      const code = await engine.call(
        "sqlite3_prepare_v2",
        engine.db,
        text,
        sql.length + 1,
        out,
        out + 4,
      );
      if (code !== CODE.OK) throw engine.error(code);
      const pointer = module.getValue(out, "*");
      const rest = sql.subarray(module.getValue(out + 4, "*") - text);
      return { statement: pointer === 0 ? undefined : new Statement(engine, pointer, start), rest };
    } finally {
      module._free(text);
      module._free(out);
    }
  }

  /** Go to the next row. Return true if there is one, at once or later: see Engine.call. */
  step(): boolean | Promise<boolean> {
    this.#engine.running = this.#start;
    const code = this.#engine.call("sqlite3_step", this.#pointer);
    return typeof code === "number"
      ? this.#stepped(code)
      : code.then((late) => this.#stepped(late));
  }

  #stepped(code: number): boolean {
    if (code === CODE.ROW) return true;
    if (code === CODE.DONE) return false;
    throw this.#engine.error(code);
  }

  /** Make it ready to run again, with the same parameters until others are bound. */
  reset(): void {
    this.#engine.module._sqlite3_reset(this.#pointer);
  }

  async finalize(): Promise<void> {
    await this.#engine.call("sqlite3_finalize", this.#pointer);
  }

  get readOnly(): boolean {
    return this.#engine.module._sqlite3_stmt_readonly(this.#pointer) !== 0;
  }

  get parameters(): number {
    return this.#engine.module._sqlite3_bind_parameter_count(this.#pointer);
  }

  /** Bind the parameter at `at`, from 1. */
  bind(at: number, value: Bound): void {
    const { module } = this.#engine;
    const code =
      value === null
        ? module._sqlite3_bind_null(this.#pointer, at)
        : typeof value === "number"
          ? module._sqlite3_bind_double(this.#pointer, at, value)
          : typeof value === "bigint"
            ? module._sqlite3_bind_int64(
                this.#pointer,
                at,
                Number(BigInt.asIntN(32, value)),
                Number(BigInt.asIntN(32, value >> 32n)),
              )
            : this.#bindBytes(at, value);
    if (code !== CODE.OK) throw this.#engine.error(code);
  }

  #bindBytes(at: number, value: { readonly text: Uint8Array } | Uint8Array): number {
    const { module } = this.#engine;
    const bytes = value instanceof Uint8Array ? value : value.text;
    const bind = value instanceof Uint8Array ? "_sqlite3_bind_blob" : "_sqlite3_bind_text";
    const copy = this.#engine.bytes(bytes);
    try {
      return module[bind](this.#pointer, at, copy, bytes.length, TRANSIENT);
    } finally {
      module._free(copy);
    }
  }

  /** Return the column's name; columns count from 0. */
  name(at: number): string {
    const { module } = this.#engine;
    return module.UTF8ToString(module._sqlite3_column_name(this.#pointer, at));
  }

  type(at: number): number {
    return this.#engine.module._sqlite3_column_type(this.#pointer, at);
  }

  real(at: number): number {
    return this.#engine.module._sqlite3_column_double(this.#pointer, at);
  }

  integer(at: number): number | bigint {
    const low = this.#engine.module._sqlite3_column_int64(this.#pointer, at);
    const high = this.#engine.module.getTempRet0();
    const near = high * 0x1_0000_0000 + (low >>> 0);
    return Number.isSafeInteger(near) ? near : (BigInt(high) << 32n) | BigInt(low >>> 0);
  }

  /** Return the length of a TEXT or a BLOB in bytes. */
  size(at: number): number {
    return this.#engine.module._sqlite3_column_bytes(this.#pointer, at);
  }

  /** Return the bytes of a TEXT (UTF-8) or a BLOB: a view that is valid only until the next call. */
  view(at: number): Uint8Array {
    const from = this.place(at);
    return this.heap.subarray(from, from + this.size(at));
  }

  /** The instance's memory, which moves when it grows. */
  get heap(): Uint8Array {
    return this.#engine.module.HEAPU8;
  }

  /** Return the offset in `heap` of the bytes of a TEXT (UTF-8) or a BLOB, valid until the next call. */
  place(at: number): number {
    const { module } = this.#engine;
    const from =
      this.type(at) === TYPE.BLOB
        ? module._sqlite3_column_blob(this.#pointer, at)
        : module._sqlite3_column_text(this.#pointer, at);
    // A lack of memory for a copy would otherwise look like an empty value.
    if (from === 0 && (module._sqlite3_extended_errcode(this.#engine.db) & 0xff) === CODE.NOMEM)
      throw this.#engine.error(CODE.NOMEM);
    return from;
  }

  /** Return a copy of the bytes of `CAST(column AS TEXT)`. */
  asText(at: number): Uint8Array {
    const { module } = this.#engine;
    const from = module._sqlite3_column_text(this.#pointer, at);
    return module.HEAPU8.slice(from, from + this.size(at));
  }

  /** Return the column as text, or null. */
  text(at: number): string | null {
    return this.type(at) === TYPE.NULL
      ? null
      : new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(this.view(at));
  }
}
