import { copyOf } from "../../format/bytes/bytes.ts";
import { bytesOf, type Masker, type MaskValue } from "../../format/masks/mask.ts";
import type { Rule } from "../../format/masks/rule.ts";
import { CODE, TYPE } from "../engine/codes.ts";
import type { Engine } from "../engine/engine.ts";

/** The name of the function: `nightjar_mask(<number of the rule>, <value>)`. */
export const MASK = "nightjar_mask";

/** SQLITE_UTF8, SQLITE_DETERMINISTIC and SQLITE_DIRECTONLY: nothing in a schema may call it. */
const FLAGS = 1 | 0x800 | 0x80000;
const TRANSIENT = -1;
/** A hash takes as long as so many steps of SQLite's machine, and one step more for so many bytes. */
const STEPS = 100;
const BYTES_PER_STEP = 8;

/** Register the function that masks a value by one of `rules`. Its work counts as steps. */
export function registerMask(engine: Engine, masker: Masker, rules: readonly Rule[]): void {
  const { module } = engine;
  module.create_function(engine.db, MASK, 2, FLAGS, null, (context, _, values) => {
    const [place, value] = [module.getValue(values, "*"), module.getValue(values + 4, "*")];
    const rule = rules[module._sqlite3_value_int64(place)];
    const given = valueOf(engine, value);
    if (given === undefined) return module._sqlite3_result_null(context);
    const steps = STEPS + Math.ceil(bytesOf(given).length / BYTES_PER_STEP);
    // Without a rule nothing may pass: that is an error of Nightjar's own.
    if (rule === undefined || !engine.charge(steps))
      return module._sqlite3_result_error_code(context, CODE.INTERRUPT);
    answer(engine, context, masker.apply(rule, given));
  });
}

function valueOf({ module }: Engine, value: number): MaskValue | undefined {
  const type = module._sqlite3_value_type(value);
  switch (type) {
    case TYPE.INTEGER: {
      const low = module._sqlite3_value_int64(value);
      const high = module.getTempRet0();
      return { type: "integer", value: (BigInt(high) << 32n) | BigInt(low >>> 0) };
    }
    case TYPE.REAL:
      return { type: "real", value: module._sqlite3_value_double(value) };
    case TYPE.TEXT:
    case TYPE.BLOB: {
      const isText = type === TYPE.TEXT;
      const at = isText ? module._sqlite3_value_text(value) : module._sqlite3_value_blob(value);
      const length = module._sqlite3_value_bytes(value);
      const bytes = copyOf(module.HEAPU8.subarray(at, at + length));
      return { type: isText ? "text" : "blob", bytes };
    }
    default:
      return undefined;
  }
}

function answer({ module }: Engine, context: number, masked: MaskValue | undefined): void {
  if (masked === undefined) return module._sqlite3_result_null(context);
  if (masked.type === "integer") {
    const low = Number(BigInt.asIntN(32, masked.value));
    return module._sqlite3_result_int64(context, low, Number(masked.value >> 32n));
  }
  if (masked.type === "real") return module._sqlite3_result_double(context, masked.value);
  const { bytes } = masked;
  const at = module._sqlite3_malloc(bytes.length + 1);
  if (at === 0) return module._sqlite3_result_error_nomem(context);
  module.HEAPU8.set(bytes, at);
  if (masked.type === "text") module._sqlite3_result_text(context, at, bytes.length, TRANSIENT);
  else module._sqlite3_result_blob(context, at, bytes.length, TRANSIENT);
  module._sqlite3_free(at);
}
