import type { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { decode, encode } from "../bytes/bytes.ts";
import { fake } from "./fake.ts";
import type { Rule } from "./rule.ts";
import { shiftDate } from "./shift-date.ts";

/** A value of SQLite that is not NULL. */
export type MaskValue =
  | { readonly type: "integer"; readonly value: bigint }
  | { readonly type: "real"; readonly value: number }
  | { readonly type: "text" | "blob"; readonly bytes: Uint8Array };

/** Bytes of a hash of a BLOB. */
const BLOB_HASH = 16;
const MOST_INTEGER = 0x7fff_ffff_ffff_ffffn;

/**
 * Masks values under a secret key. Equal values of one storage class have equal masks under one rule,
 * wherever they are; another key gives others.
 */
export class Masker {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  /** Return the mask of a value; undefined for NULL. A value that a rule has no form for is hashed. */
  apply(rule: Rule, value: MaskValue): MaskValue | undefined {
    switch (rule.kind) {
      case "keep":
        return value;
      case "null":
        return undefined;
      case "fixed":
        return text(rule.text);
      case "hash":
        return this.#hash(value);
      case "fake":
        return text(fake(rule.what, this.#digest(`fake ${rule.what}`, bytesOf(value))));
      case "truncate":
        return truncate(value, rule.length) ?? this.#hash(value);
      case "shift-date":
        return shiftDate(value, rule.days) ?? this.#hash(value);
      case "json":
        return this.#json(value, rule.path, rule.rule);
    }
  }

  #digest(domain: string, bytes: Uint8Array): Buffer {
    return createHmac("sha256", this.#key).update(`${domain}\0`).update(bytes).digest();
  }

  #hash(value: MaskValue): MaskValue {
    const digest = this.#digest(`hash ${value.type}`, bytesOf(value));
    switch (value.type) {
      case "integer":
        return { type: "integer", value: digest.readBigUInt64BE() & MOST_INTEGER };
      case "real":
        // 52 bits, with a fraction, so that a column of numbers does not make an integer of it.
        return { type: "real", value: digest.readUIntBE(0, 6) + ((digest[6]! % 15) + 1) / 16 };
      case "text":
        // It begins with a letter, so that no column makes a number of it.
        return text("abcdef"[digest[31]! % 6]! + digest.toString("hex").slice(1, 32));
      case "blob":
        return { type: "blob", bytes: new Uint8Array(digest.subarray(0, BLOB_HASH)) };
    }
  }

  /** Mask one path of a JSON text. What is not JSON as text becomes `null`, as nobody knows what it holds. */
  #json(value: MaskValue, path: readonly (string | number)[], rule: Rule): MaskValue {
    if (value.type !== "text") return text("null");
    let document: unknown;
    try {
      document = JSON.parse(decode(value.bytes));
    } catch {
      return text("null");
    }
    const holder = path.slice(0, -1).reduce(step, document);
    const last = path.at(-1)!;
    const found = step(holder, last);
    if (found !== undefined && found !== null)
      (holder as Record<string | number, unknown>)[last] = this.#jsonMask(found, rule);
    return text(JSON.stringify(document));
  }

  #jsonMask(found: unknown, rule: Rule): unknown {
    const masked = this.apply(rule, jsonValue(found));
    if (masked === undefined) return null;
    if ("bytes" in masked) return decode(masked.bytes);
    // A number of JSON's is exact up to 2^53.
    return Number(masked.type === "integer" ? masked.value >> 10n : masked.value);
  }
}

/** Return the value at a path of a JSON text; undefined where there is none. */
export function valueAt(
  value: MaskValue,
  path: readonly (string | number)[],
): MaskValue | undefined {
  if (value.type !== "text") return undefined;
  try {
    const found = path.reduce(step, JSON.parse(decode(value.bytes)));
    return found === undefined || found === null ? undefined : jsonValue(found);
  } catch {
    return undefined;
  }
}

function step(holder: unknown, name: string | number): unknown {
  if (typeof holder !== "object" || holder === null) return undefined;
  if (Array.isArray(holder) !== (typeof name === "number")) return undefined;
  return Object.hasOwn(holder, name)
    ? (holder as Record<string | number, unknown>)[name]
    : undefined;
}

function jsonValue(value: unknown): MaskValue {
  if (typeof value === "number")
    return Number.isSafeInteger(value)
      ? { type: "integer", value: BigInt(value) }
      : { type: "real", value };
  return text(typeof value === "string" ? value : JSON.stringify(value));
}

/** Return the bytes that stand for a value: of a number, those of its digits. */
export function bytesOf(value: MaskValue): Uint8Array {
  return "bytes" in value ? value.bytes : encode(String(value.value));
}

/** Keep the first characters of a TEXT, the first bytes of a BLOB. */
function truncate(value: MaskValue, length: number): MaskValue | undefined {
  if (value.type === "blob") return { type: "blob", bytes: value.bytes.slice(0, length) };
  if (value.type !== "text") return undefined;
  let at = 0;
  for (let count = 0; at < value.bytes.length; at++)
    if ((value.bytes[at]! & 0xc0) !== 0x80 && ++count > length) break;
  return { type: "text", bytes: value.bytes.slice(0, at) };
}

function text(words: string): MaskValue {
  return { type: "text", bytes: encode(words) };
}
