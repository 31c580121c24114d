import { encode } from "../../format/bytes/bytes.ts";
import { CODE, LIMIT, TYPE } from "./codes.ts";
import type { Engine } from "./engine.ts";

/** SQLITE_OPEN_READWRITE and SQLITE_OPEN_MEMORY. */
const IN_MEMORY = 2 | 0x80;
/** SQLITE_STATIC: the bytes stay where they are during the call. */
const STATIC = 0;
/** Bytes of the longest value, by SQLite's own limit. */
const LONGEST = 1_000_000_000;

interface AnswerOptions {
  /** Give a TEXT as a BLOB, in the encoding that the database has. */
  readonly asBlob?: boolean;
  /** Let the function make a longer value than the call may return. */
  readonly long?: boolean;
}

/**
 * SQLite's own functions, which those of functions.ts hide on an engine's connection. They are called on a
 * second connection, which holds nothing.
 */
export class StockFunctions {
  readonly #engine: Engine;
  #db = 0;
  /** A prepared call for each function and number of arguments. */
  readonly #calls = new Map<string, number>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Make the function's answer, or its error, the result of a call.
   *
   * @param args the call's values; the bytes of a BLOB or a TEXT are not copied
   * @returns the length of the answer in bytes
   */
  answer(
    context: number,
    name: string,
    args: readonly number[],
    { asBlob = false, long = false }: AnswerOptions = {},
  ): number {
    const { module, db } = this.#engine;
    const statement = this.#prepared(name, args.length);
    if (statement === 0) {
      module._sqlite3_result_error_nomem(context);
      return 0;
    }
    const longest = long ? LONGEST : module._sqlite3_limit(db, LIMIT.LENGTH, -1);
    module._sqlite3_limit(this.#db, LIMIT.LENGTH, longest);
    args.forEach((value, at) => this.#bind(statement, at + 1, value, asBlob));
    const code = module._sqlite3_step(statement) & 0xff;
    let length = 0;
    if (code === CODE.ROW) {
      const type = module._sqlite3_column_type(statement, 0);
      if (type === TYPE.TEXT || type === TYPE.BLOB)
        length = module._sqlite3_column_bytes(statement, 0);
      module._sqlite3_result_value(context, module._sqlite3_column_value(statement, 0));
    } else if (code === CODE.TOOBIG) module._sqlite3_result_error_toobig(context);
    else if (code === CODE.NOMEM) module._sqlite3_result_error_nomem(context);
    else module._sqlite3_result_error(context, module._sqlite3_errmsg(this.#db), -1);
    module._sqlite3_reset(statement);
    module._sqlite3_clear_bindings(statement);
    return length;
  }

  #bind(statement: number, at: number, value: number, asBlob: boolean): void {
    const { module } = this.#engine;
    const type = module._sqlite3_value_type(value);
    if (type === TYPE.BLOB || (type === TYPE.TEXT && asBlob)) {
      const bytes = module._sqlite3_value_blob(value);
      const length = module._sqlite3_value_bytes(value);
      if (bytes === 0) module._sqlite3_bind_zeroblob(statement, at, 0);
      else module._sqlite3_bind_blob(statement, at, bytes, length, STATIC);
    } else if (type === TYPE.TEXT) {
      const text = module._sqlite3_value_text(value);
      module._sqlite3_bind_text(statement, at, text, module._sqlite3_value_bytes(value), STATIC);
    } else module._sqlite3_bind_value(statement, at, value);
  }

  /** Prepare the statement that calls the function. Return 0 if there is no memory for it. */
  #prepared(name: string, count: number): number {
    const key = `${name}/${count}`;
    const known = this.#calls.get(key);
    if (known !== undefined) return known;
    const { module } = this.#engine;
    const places = Array.from({ length: count }, (_, at) => `?${at + 1}`).join(",");
    const sql = encode(`SELECT ${name}(${places})\0:memory:\0`);
    const memory = module._sqlite3_malloc(8 + sql.length);
    if (memory === 0) return 0;
    const text = memory + 8;
    module.HEAPU8.set(sql, text);
    try {
      if (this.#db === 0) {
        const file = text + sql.length - ":memory:\0".length;
        if (module._sqlite3_open_v2(file, memory, IN_MEMORY, 0) !== CODE.OK) return 0;
        this.#db = module.getValue(memory, "*");
      }
      if (module._sqlite3_prepare_v2(this.#db, text, -1, memory, 0) !== CODE.OK) return 0;
      const statement = module.getValue(memory, "*");
      this.#calls.set(key, statement);
      return statement;
    } finally {
      module._sqlite3_free(memory);
    }
  }
}
