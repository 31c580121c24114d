import { Buffer } from "node:buffer";
import type { SqlValue } from "../../../format/rows/json-value.ts";
import { type JsonValue, toBase64, wholeReal } from "../../../format/rows/json-value.ts";

/** Return true if two values have the same type and bits. */
export function isSameValue(a: SqlValue, b: SqlValue): boolean {
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object")
    return Object.is(a, b);
  const [left, right] = [bytesOf(a), bytesOf(b)];
  return left.isText === right.isText && Buffer.compare(left.bytes, right.bytes) === 0;
}

function bytesOf(value: { readonly text: Uint8Array } | Uint8Array) {
  return value instanceof Uint8Array
    ? { isText: false, bytes: value }
    : { isText: true, bytes: value.text };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Return a value in the form of JSON that tells its type, too. */
export function jsonOf(value: SqlValue): JsonValue {
  if (value === null) return null;
  if (typeof value === "bigint") {
    const near = Number(value);
    return Number.isSafeInteger(near) ? near : { integer: String(value) };
  }
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return wholeReal(value);
    return Number.isFinite(value) ? value : { real: String(value) };
  }
  if (value instanceof Uint8Array) return { blob: toBase64(value) };
  try {
    return UTF8.decode(value.text);
  } catch {
    return { text: toBase64(value.text) };
  }
}
