import { isUtf8 } from "node:buffer";
import { realLiteral } from "../engine/real.ts";
import { quoteText } from "../../format/sql/quote.ts";
import { LEAST_INTEGER } from "../../format/sql/values.ts";
import { TYPE } from "../engine/statement.ts";
import type { Cells } from "./cells.ts";

const QUOTE = 39;
const CR = 13;
const ENCODER = new TextEncoder();
const HEX = ENCODER.encode("0123456789ABCDEF");

/** Write a text of the schema as SQL, in a form that every reader takes as it is. */
export function textLiteral(text: string): string {
  if (!text.includes("\r")) return quoteText(text);
  const mark = unusedMark(ENCODER.encode(text));
  return `replace(${quoteText(text.replaceAll("\r", mark))},'${mark}',char(13))`;
}

/** Collects SQL as bytes, so that text need not be decoded and encoded again on its way through. */
export class SqlOutput {
  #bytes = new Uint8Array(96 * 1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Return the SQL that was collected, and forget it. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > 1024 * 1024) this.#bytes = new Uint8Array(96 * 1024);
    return taken;
  }

  write(text: string): void {
    this.#room(text.length * 3);
    const { written } = ENCODER.encodeInto(text, this.#bytes.subarray(this.#length));
    this.#length += written;
  }

  /** Write text of ASCII alone, which is faster for the few characters between two values. */
  ascii(text: string): void {
    this.#room(text.length);
    for (let at = 0; at < text.length; at++) this.#bytes[this.#length++] = text.charCodeAt(at);
  }

  /** Write the column's value as a literal that reads back as the same bytes of the same type. */
  value(row: Cells, at: number): void {
    switch (row.type(at)) {
      case TYPE.INTEGER:
        this.ascii(integerLiteral(row.integer(at)));
        break;
      case TYPE.REAL:
        this.ascii(realLiteral(row.real(at)));
        break;
      case TYPE.TEXT: {
        const from = row.place(at); // before `heap` is read, as this may move it
        this.#text(row.heap, from, from + row.size(at));
        break;
      }
      case TYPE.BLOB: {
        const from = row.place(at);
        this.#hex(row.heap, from, from + row.size(at));
        break;
      }
      default:
        this.ascii("NULL");
    }
  }

  /**
   * Write the text at `from` to `end` in quotes: no view is made for a value. It is written as a blob if it
   * has a NUL, at which SQLite stops reading a literal, or is not UTF-8. If it has a CR, which the sqlite3
   * shell drops before a line break, a mark takes its place.
   */
  #text(heap: Uint8Array, from: number, end: number): void {
    this.#room((end - from) * 2 + 2);
    const start = this.#length;
    const bytes = this.#bytes;
    let to = start;
    let seen = 0;
    let returns = 0;
    let nul = false;
    bytes[to++] = QUOTE;
    for (let at = from; at < end; at++) {
      const byte = heap[at]!;
      seen |= byte;
      if (byte === QUOTE) bytes[to++] = QUOTE;
      else if (byte === CR) returns++;
      else if (byte === 0) nul = true;
      bytes[to++] = byte;
    }
    bytes[to++] = QUOTE;
    if (nul || (seen >= 128 && !isUtf8(heap.subarray(from, end)))) {
      this.ascii("CAST(");
      this.#hex(heap, from, end);
      this.ascii(" AS TEXT)");
    } else if (returns > 0) this.#marked(heap.subarray(from, end), returns);
    else this.#length = to;
  }

  /** Write text with a mark for each CR. SQLite replaces the marks again. */
  #marked(view: Uint8Array, returns: number): void {
    const mark = unusedMark(view);
    this.ascii("replace('");
    this.#room(view.length * 2 + returns * mark.length);
    const bytes = this.#bytes;
    let to = this.#length;
    for (let at = 0; at < view.length; at++) {
      const byte = view[at]!;
      if (byte === CR) {
        for (let place = 0; place < mark.length; place++) bytes[to++] = mark.charCodeAt(place);
        continue;
      }
      if (byte === QUOTE) bytes[to++] = QUOTE;
      bytes[to++] = byte;
    }
    this.#length = to;
    this.ascii(`','${mark}',char(13))`);
  }

  #hex(heap: Uint8Array, from: number, end: number): void {
    this.#room((end - from) * 2 + 3);
    const bytes = this.#bytes;
    let to = this.#length;
    bytes[to++] = 88; // X
    bytes[to++] = QUOTE;
    for (let at = from; at < end; at++) {
      const byte = heap[at]!;
      bytes[to++] = HEX[byte >> 4]!;
      bytes[to++] = HEX[byte & 15]!;
    }
    bytes[to++] = QUOTE;
    this.#length = to;
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 1.5));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Write an INTEGER. The smallest has no literal: SQLite reads its digits before its sign, as a REAL. */
function integerLiteral(value: number | bigint): string {
  return value === -0x8000_0000_0000_0000n ? LEAST_INTEGER : String(value);
}

const BACKSLASH = 92;
const LOWER_R = 114;
const OPEN = 40;
const CLOSE = 41;

/**
 * Return a mark for CR that the text does not have: `\r`, or the first of `(\r0)`, `(\r1)`, … One pass
 * collects the marks that it has.
 */
export function unusedMark(view: Uint8Array): string {
  const used = new Set<number>();
  let found = false;
  for (let at = view.indexOf(BACKSLASH); at !== -1; at = view.indexOf(BACKSLASH, at + 1)) {
    if (view[at + 1] !== LOWER_R) continue;
    found = true;
    if (view[at - 1] === OPEN) used.add(markNumber(view, at + 2));
  }
  if (!found) return "\\r";
  let free = 0;
  while (used.has(free)) free++;
  return `(\\r${free})`;
}

/** Return the number at `from` if it is a mark's; -1 otherwise. */
function markNumber(view: Uint8Array, from: number): number {
  let number = 0;
  let at = from;
  for (; at - from < 9 && view[at]! >= 48 && view[at]! <= 57; at++)
    number = number * 10 + view[at]! - 48;
  const leading = view[from] === 48 && at - from > 1;
  return at > from && view[at] === CLOSE && !leading ? number : -1;
}
