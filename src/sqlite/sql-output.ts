import { type Statement, TYPE } from "./statement.ts";
import { realLiteral } from "./real.ts";

const QUOTE = 39;
const CR = 13;
const ENCODER = new TextEncoder();
const HEX = ENCODER.encode("0123456789ABCDEF");
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Collects SQL as bytes, so that text need not be decoded and encoded again on its way through. */
export class SqlOutput {
  #bytes = new Uint8Array(96 * 1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was collected, which is forgotten here. */
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

  /** Text of ASCII alone, which is faster for the few characters between two values. */
  ascii(text: string): void {
    this.#room(text.length);
    for (let at = 0; at < text.length; at++) this.#bytes[this.#length++] = text.charCodeAt(at);
  }

  /** The column's value as a literal that reads back as the same bytes of the same type. */
  value(row: Statement, at: number): void {
    switch (row.type(at)) {
      case TYPE.INTEGER:
        this.ascii(integerLiteral(row.integer(at)));
        break;
      case TYPE.REAL:
        this.ascii(realLiteral(row.real(at)));
        break;
      case TYPE.TEXT:
        this.#text(row.view(at));
        break;
      case TYPE.BLOB:
        this.#hex(row.view(at));
        break;
      default:
        this.ascii("NULL");
    }
  }

  /**
   * Text in quotes; with NUL, at which SQLite stops reading a literal, or when it is not UTF-8, as a
   * blob; with CR, which the sqlite3 shell drops before a line break, with a mark in its place.
   */
  #text(view: Uint8Array): void {
    this.#room(view.length * 2 + 2);
    const start = this.#length;
    const bytes = this.#bytes;
    let to = start;
    let seen = 0;
    let special = false;
    bytes[to++] = QUOTE;
    for (let at = 0; at < view.length; at++) {
      const byte = view[at]!;
      seen |= byte;
      if (byte === QUOTE) bytes[to++] = QUOTE;
      else if (byte === 0 || byte === CR) special = true;
      bytes[to++] = byte;
    }
    bytes[to++] = QUOTE;
    if (!special && (seen < 128 || isUtf8(view))) {
      this.#length = to;
      return;
    }
    const text = view.includes(0) ? undefined : decoded(view);
    if (text === undefined) {
      this.ascii("CAST(");
      this.#hex(view);
      this.ascii(" AS TEXT)");
      return;
    }
    const mark = unusedMark(text);
    const marked = text.replaceAll("\r", mark).replaceAll("'", "''");
    this.write(`replace('${marked}','${mark}',char(13))`);
  }

  #hex(view: Uint8Array): void {
    this.#room(view.length * 2 + 3);
    const bytes = this.#bytes;
    let to = this.#length;
    bytes[to++] = 88; // X
    bytes[to++] = QUOTE;
    for (let at = 0; at < view.length; at++) {
      const byte = view[at]!;
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

/** The smallest INTEGER has no literal: SQLite reads its digits before its sign, and they are a REAL. */
function integerLiteral(value: number | bigint): string {
  return value === -0x8000_0000_0000_0000n ? "(-9223372036854775807-1)" : String(value);
}

function isUtf8(view: Uint8Array): boolean {
  return decoded(view) !== undefined;
}

function decoded(view: Uint8Array): string | undefined {
  try {
    return UTF8.decode(view);
  } catch {
    return undefined;
  }
}

/** A mark for CR that the text does not have, as the sqlite3 shell chooses it. */
function unusedMark(text: string): string {
  let mark = "\\r";
  for (let at = 0; text.includes(mark); at++) mark = `(\\r${at})`;
  return mark;
}
