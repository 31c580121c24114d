import { decode, encode } from "../../format/bytes/bytes.ts";
import { CODE, LIMIT, TYPE } from "./codes.ts";
import type { Engine } from "./engine.ts";
import { Finder } from "./find-bytes.ts";
import { StockFunctions } from "./stock-functions.ts";

/**
 * Replacements for functions of SQLite whose own code takes time for each pair of bytes of its two
 * arguments, so that one step of SQLite's machine can take minutes, in which nothing can interrupt it; and
 * for those that make long values of short ones. They give the same answers, count their work, and refuse
 * what would take longer than a second. Those for instr(), replace() and the trims take linear time.
 */

/** SQLITE_UTF8 and SQLITE_INNOCUOUS, as the functions that they replace have them. */
const RANDOM = 1 | 0x200000;
/** And SQLITE_DETERMINISTIC. */
const FLAGS = RANDOM | 0x800;
/** And SQLITE_RESULT_SUBTYPE: their result is JSON. */
const JSON_FLAGS = FLAGS | 0x1000000;
const TRANSIENT = -1;
/** Bytes of linear work that take as long as one step of SQLite's machine. */
const BYTES_PER_STEP = 16;
/** Different lengths of characters in a trim set at most: no UTF-8, and no honest schema, has more. */
const MOST_LENGTHS = 8;

/** Pairs of bytes of a pattern and a text that take a millisecond to match at the most. */
const PATTERN_AT_ONCE = 500_000;

/** Bytes of characters to trim at most, as each character takes a key of a Map. */
const MOST_TRIMMED = 64 * 1024;
/** Bytes that take as long as one placeholder of printf(). */
const PLACEHOLDER = 16;

/** The arguments of one call. */
interface Call {
  readonly engine: Engine;
  readonly stock: StockFunctions;
  readonly context: number;
  readonly args: readonly number[];
}

/** Register the functions on the open connection. */
export function registerFunctions(engine: Engine): void {
  const { module } = engine;
  const stock = new StockFunctions(engine);
  const define = (
    name: string,
    count: number,
    body: (call: Call) => void,
    flags: number = FLAGS,
  ): void => {
    module.create_function(engine.db, name, count, flags, null, (context, given, values) => {
      const args = Array.from({ length: given }, (_, at) => module.getValue(values + 4 * at, "*"));
      body({ engine, stock, context, args });
    });
  };
  const defineAll = (): void => {
    define("instr", 2, instr);
    define("replace", 3, replace);
    define("trim", 2, (call) => trim(call, true, true));
    define("ltrim", 2, (call) => trim(call, true, false));
    define("rtrim", 2, (call) => trim(call, false, true));
    define("glob", 2, (call) => matchPattern(call, "_sqlite3_strglob"));
    define("like", 2, (call) => matchPattern(call, "_sqlite3_strlike"));
    // wa-sqlite keeps one callback for each spelling of a name; to SQLite it is the same name.
    define("LIKE", 3, (call) => matchPattern(call, "_sqlite3_strlike"));
    for (const name of ["json_patch", "jsonb_patch"])
      define(name, 2, (call) => mergePatch(call, name), JSON_FLAGS);
    define("unhex", 2, unhex);
    define("hex", 1, (call) => spell(call, "hex"));
    define("quote", 1, (call) => spell(call, "quote"));
    for (const name of ["printf", "format"]) define(name, -1, (call) => print(call, name));
    define("randomblob", 1, randomBlob, RANDOM);
    define("zeroblob", 1, zeroBlob);
  };
  // wa-sqlite forgets, by the address of a connection that was closed, what this one has at that address
  // since. Defined once more, no function has such an address.
  defineAll();
  defineAll();
}

/** Count the work of a call. Return false if it is refused, and the statement ends. */
function charge({ engine, context }: Call, bytes: number): boolean {
  if (engine.charge(Math.ceil(bytes / BYTES_PER_STEP))) return true;
  engine.module._sqlite3_result_error_code(context, CODE.INTERRUPT);
  return false;
}

/** Return the place and the bytes of `CAST(value AS TEXT)`; undefined for NULL, and without memory. */
function textOf({ engine }: Call, value: number): { at: number; bytes: Uint8Array } | undefined {
  const { module } = engine;
  const at = module._sqlite3_value_text(value);
  if (at === 0) return undefined;
  const length = module._sqlite3_value_bytes(value);
  return { at, bytes: module.HEAPU8.subarray(at, at + length) };
}

function instr(call: Call): void {
  const { engine, context, args } = call;
  const { module } = engine;
  const [hay, needle] = args as [number, number];
  const types = args.map((value) => module._sqlite3_value_type(value));
  if (types.includes(TYPE.NULL)) return;
  const blobs = types.filter((type) => type === TYPE.BLOB).length;
  if (blobs === 2) {
    const bytes = args.map((value) => {
      const at = module._sqlite3_value_blob(value);
      return module.HEAPU8.subarray(at, at + module._sqlite3_value_bytes(value));
    }) as [Uint8Array, Uint8Array];
    if (charge(call, bytes[0].length + bytes[1].length))
      module._sqlite3_result_int(context, placeOf(bytes[0], bytes[1], false));
    return;
  }
  // A copy: the text of a BLOB must not become the value's own.
  const copies = blobs === 1 ? args.map((value) => module._sqlite3_value_dup(value)) : [];
  try {
    const [inCopy = hay, ofCopy = needle] = copies;
    // Convert both first: the second may move the memory.
    module._sqlite3_value_text(inCopy);
    module._sqlite3_value_text(ofCopy);
    const [text, wanted] = [textOf(call, inCopy), textOf(call, ofCopy)];
    if (text === undefined || wanted === undefined)
      return module._sqlite3_result_error_nomem(context);
    if (charge(call, text.bytes.length + wanted.bytes.length))
      module._sqlite3_result_int(context, placeOf(text.bytes, wanted.bytes, true));
  } finally {
    for (const copy of copies) module._sqlite3_value_free(copy);
  }
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Return the first place of `needle`, from 1, in bytes or in characters; 0 if there is none. */
export function placeOf(hay: Uint8Array, needle: Uint8Array, inCharacters: boolean): number {
  if (needle.length === 0) return 1;
  let first = -1;
  new Finder(needle).each(hay, (place) => {
    if (inCharacters && place > 0 && isContinuation(hay[place]!)) return place + 1;
    first = place;
    return -1;
  });
  if (first < 0 || !inCharacters) return first + 1;
  let characters = 1;
  for (let at = 1; at <= first; at++) if (!isContinuation(hay[at]!)) characters++;
  return characters;
}

function replace(call: Call): void {
  const { engine, context, args } = call;
  const { module } = engine;
  for (const value of args.slice(0, 2)) if (textOf(call, value) === undefined) return;
  const whole = textOf(call, args[0]!)!;
  // A pattern that begins with a NUL counts as empty, too.
  if ((textOf(call, args[1]!)!.bytes[0] ?? 0) === 0)
    return module._sqlite3_result_text(context, whole.at, whole.bytes.length, TRANSIENT);
  if (textOf(call, args[2]!) === undefined) return;
  const [text, wanted, instead] = args.map((value) => textOf(call, value)!.bytes) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  if (!charge(call, text.length + wanted.length)) return;
  let places = 0;
  const finder = new Finder(wanted);
  const next = (place: number): number => place + wanted.length;
  finder.each(text, (place) => {
    places++;
    return next(place);
  });
  const length = text.length + places * (instead.length - wanted.length);
  if (length > module._sqlite3_limit(engine.db, LIMIT.LENGTH, -1))
    return module._sqlite3_result_error_toobig(context);
  if (!charge(call, length)) return;
  const out = module._sqlite3_malloc(length + 1);
  if (out === 0) return module._sqlite3_result_error_nomem(context);
  const memory = module.HEAPU8;
  // Allocating may have moved the memory.
  const [from, of, by] = args.map((value) => textOf(call, value)!.bytes) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  let read = 0;
  let written = out;
  const copy = (bytes: Uint8Array): void => {
    memory.set(bytes, written);
    written += bytes.length;
  };
  new Finder(of).each(from, (place) => {
    copy(from.subarray(read, place));
    copy(by);
    read = next(place);
    return read;
  });
  copy(from.subarray(read));
  module._sqlite3_result_text(context, out, length, TRANSIENT);
  module._sqlite3_free(out);
}

function trim(call: Call, left: boolean, right: boolean): void {
  const { engine, context, args } = call;
  const { module } = engine;
  for (const value of args) if (textOf(call, value) === undefined) return;
  const [text, set] = args.map((value) => textOf(call, value)!) as [
    { at: number; bytes: Uint8Array },
    { at: number; bytes: Uint8Array },
  ];
  if (set.bytes.length > MOST_TRIMMED) {
    engine.refuse(`a set of more than ${MOST_TRIMMED} bytes to trim`);
    return module._sqlite3_result_error_code(context, CODE.INTERRUPT);
  }
  if (!charge(call, set.bytes.length)) return;
  const characters = charactersOf(set.bytes);
  if (!charge(call, text.bytes.length * characters.length)) return;
  if (characters.length > MOST_LENGTHS) return fail(call, "the characters to trim are not UTF-8");
  const { from, to } = trimmed(text.bytes, characters, left, right);
  module._sqlite3_result_text(context, text.at + from, to - from, TRANSIENT);
}

/** Characters of one length, by their bytes, with their first places in the set. */
interface SameLength {
  readonly length: number;
  readonly places: Map<string, number>;
}

/** Return the characters of a set as SQLite takes them. The set ends at a NUL. */
function charactersOf(set: Uint8Array): SameLength[] {
  const byLength = new Map<number, SameLength>();
  let place = 0;
  for (let at = 0; at < set.length && set[at] !== 0; place++) {
    const start = at++;
    if (set[start]! >= 0xc0) while (at < set.length && isContinuation(set[at]!)) at++;
    const length = at - start;
    const same = byLength.get(length) ?? { length, places: new Map() };
    byLength.set(length, same);
    const key = keyOf(set, start, length);
    if (!same.places.has(key)) same.places.set(key, place);
  }
  return [...byLength.values()];
}

function keyOf(bytes: Uint8Array, at: number, length: number): string {
  let key = "";
  for (let end = at + length; at < end; at++) key += String.fromCharCode(bytes[at]!);
  return key;
}

function trimmed(
  text: Uint8Array,
  characters: readonly SameLength[],
  left: boolean,
  right: boolean,
): { from: number; to: number } {
  let from = 0;
  let to = text.length;
  /** Return the length of the first character of the set that is at this place; 0 if none is. */
  const lengthAt = (placeFor: (length: number) => number): number => {
    let first = Infinity;
    let found = 0;
    for (const { length, places } of characters) {
      if (length > to - from) continue;
      const place = places.get(keyOf(text, placeFor(length), length));
      if (place === undefined || place >= first) continue;
      first = place;
      found = length;
    }
    return found;
  };
  if (left) for (let length; (length = lengthAt(() => from)) > 0;) from += length;
  if (right) for (let length; (length = lengthAt((long) => to - long)) > 0;) to -= length;
  return { from, to };
}

/** Run SQLite's own LIKE or GLOB. The worst case is known in advance: each byte against each. */
function matchPattern(call: Call, match: "_sqlite3_strlike" | "_sqlite3_strglob"): void {
  const { engine, context, args } = call;
  const { module } = engine;
  const [pattern, text, escaping] = args as [number, number, number | undefined];
  // This SQLite was built with SQLITE_LIKE_DOESNT_MATCH_BLOBS.
  if ([pattern, text].some((value) => module._sqlite3_value_type(value) === TYPE.BLOB))
    return module._sqlite3_result_int(context, 0);
  let escape = 0;
  if (escaping !== undefined) {
    const character = textOf(call, escaping);
    if (character === undefined) return;
    const characters = Array.from(decode(character.bytes));
    escape = characters[0]?.codePointAt(0) ?? 0;
    const words =
      characters.length !== 1
        ? "ESCAPE expression must be a single character"
        : characters[0] === "%" || characters[0] === "_"
          ? "a wildcard as ESCAPE is not supported here"
          : undefined;
    if (words !== undefined) return fail(call, words);
  }
  for (const value of [pattern, text]) if (textOf(call, value) === undefined) return;
  const [like, bytes] = [textOf(call, pattern)!, textOf(call, text)!];
  const pairs = like.bytes.length * bytes.bytes.length;
  const worst = pairs > PATTERN_AT_ONCE ? pairs : bytes.bytes.length + like.bytes.length;
  if (!charge(call, worst)) return;
  module._sqlite3_result_int(
    context,
    (match === "_sqlite3_strlike"
      ? module._sqlite3_strlike(like.at, bytes.at, escape)
      : module._sqlite3_strglob(like.at, bytes.at)) === 0
      ? 1
      : 0,
  );
}

/** Return the length of a TEXT or a BLOB in bytes; a few for anything else. */
function lengthOf({ engine: { module } }: Call, value: number): number {
  const type = module._sqlite3_value_type(value);
  return type === TYPE.TEXT || type === TYPE.BLOB ? module._sqlite3_value_bytes(value) : 32;
}

/**
 * Run SQLite's own function. It looks up each key of the patch among all keys of the object, and of those
 * it has put there.
 */
function mergePatch(call: Call, name: string): void {
  const [object, patch] = call.args.map((value) => lengthOf(call, value)) as [number, number];
  if (charge(call, object + patch + (patch * (object + patch)) / BYTES_PER_STEP))
    call.stock.answer(call.context, name, call.args);
}

/** Run SQLite's own function. It looks up each character that is no digit among those to pass over. */
function unhex(call: Call): void {
  const [text, passed] = call.args.map((value) => lengthOf(call, value)) as [number, number];
  if (charge(call, text + text * passed)) call.stock.answer(call.context, "unhex", call.args);
}

/** Run SQLite's own function, which makes two characters for a byte at the most. */
function spell(call: Call, name: "hex" | "quote"): void {
  const value = call.args[0]!;
  const { module } = call.engine;
  const type = module._sqlite3_value_type(value);
  // The length of a TEXT would be that of its UTF-8, but hex() spells the bytes that the database has.
  if (name === "hex" && type === TYPE.TEXT) module._sqlite3_value_blob(value);
  if (charge(call, 2 * lengthOf(call, value)))
    call.stock.answer(call.context, name, call.args, { asBlob: name === "hex" });
}

/**
 * Run SQLite's own function. The format determines the length of the answer in many ways, and SQLite
 * answers NULL if it is too long. So SQLite may make the answer, as far as there is memory.
 */
function print(call: Call, name: string): void {
  const [format, ...rest] = call.args.map((value) => lengthOf(call, value));
  const most = rest.reduce((sum, length) => sum + length, PLACEHOLDER * (format ?? 0));
  if (charge(call, most))
    charge(call, call.stock.answer(call.context, name, call.args, { long: true }));
}

function randomBlob(call: Call): void {
  if (charge(call, lengthAsked(call))) call.stock.answer(call.context, "randomblob", call.args);
}

function zeroBlob(call: Call): void {
  const { engine, context } = call;
  const length = lengthAsked(call);
  if (!charge(call, length)) return;
  engine.module._sqlite3_result_zeroblob64(context, length, 0);
}

/** Return the number of bytes that are asked for; one more than a value may have if it is more than that. */
function lengthAsked({ engine: { module, db }, args }: Call): number {
  const low = module._sqlite3_value_int64(args[0]!);
  const high = module.getTempRet0();
  const most = module._sqlite3_limit(db, LIMIT.LENGTH, -1) + 1;
  return Math.min(Math.max(high * 0x1_0000_0000 + (low >>> 0), 0), most);
}

function fail({ engine, context }: Call, words: string): void {
  const bytes = encode(words);
  const message = engine.bytes(bytes);
  engine.module._sqlite3_result_error(context, message, bytes.length);
  engine.module._free(message);
}
