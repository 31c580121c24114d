import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Parts of Hrana's answers in Protobuf (hrana/src/proto of tursodatabase/libsql). */

/** A value of SQLite in Hrana. Integers are bigint, so that none loses a digit. */
export type Value = null | bigint | number | string | Uint8Array;

const ROW = 0x22; // field 4, a message
const VALUE = 0x0a; // field 1, a message
const INTEGER = 0x10; // field 2, a varint
const FLOAT = 0x19; // field 3, 64 bits
const TEXT = 0x22; // field 4, bytes
const BLOB = 0x2a; // field 5, bytes

const UTF8 = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
/** Bytes of a text that are tried as ASCII, which is faster for a few. */
const SHORT = 32;

/** The memory of one number, to read its bits. */
const BITS = new DataView(new ArrayBuffer(8));

/**
 * Decodes rows: Row { values = 1 }; Value { null = 1, integer (sint64) = 2, float = 3, text = 4, blob = 5 }.
 * One object decodes all of them, as a database has millions of values: a reader for each would be much
 * garbage. A blob is a view of the memory.
 */
class RowDecoder {
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  /** Decode the row that lies from `from` to `end`. @throws RangeError if it makes no sense */
  row(bytes: Uint8Array, from: number, end: number): Value[] {
    this.#bytes = bytes;
    this.#at = from;
    const values: Value[] = [];
    while (this.#at < end) {
      const tag = this.#length();
      const to = this.#until(end);
      if (tag === VALUE) values.push(this.#value(to));
      this.#at = to;
    }
    return values;
  }

  /** Decode a frame that is a row; undefined for any other. @throws RangeError */
  frame(frame: Uint8Array): Value[] | undefined {
    this.#bytes = frame;
    this.#at = 0;
    this.#length();
    if (frame[this.#at] !== ROW) return undefined;
    this.#at++;
    const end = this.#until(frame.length);
    if (end !== frame.length) throw new RangeError("a frame goes on after its row");
    return this.row(frame, this.#at, end);
  }

  #value(end: number): Value {
    if (this.#at === end) return null;
    const tag = this.#length();
    if (tag === INTEGER) return this.#integer();
    if (tag === FLOAT) return this.#float(end);
    const to = this.#until(end);
    if (tag === TEXT) return this.#text(to);
    return tag === BLOB ? this.#bytes.subarray(this.#at, to) : null;
  }

  /** Read the length of what follows, and return where that ends. */
  #until(end: number): number {
    const length = this.#length();
    if (this.#at + length > end) throw new RangeError("a message is longer than what holds it");
    return this.#at + length;
  }

  /** Read a varint of at most 32 bits. */
  #length(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number has no end");
  }

  /** Read a varint of 64 bits, of which the lowest is the sign. */
  #integer(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt((low >>> 1) ^ -(low & 1));
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const bits = BigInt.asUintN(64, value);
        return BigInt.asIntN(64, (bits >> 1n) ^ -(bits & 1n));
      }
    }
    throw new RangeError("a number has no end");
  }

  #float(end: number): number {
    if (this.#at + 8 > end) throw new RangeError("a number is cut");
    for (let i = 0; i < 8; i++) BITS.setUint8(i, this.#bytes[this.#at + i]!);
    return BITS.getFloat64(0, true);
  }

  #text(end: number): string {
    let text = "";
    if (end - this.#at <= SHORT)
      for (let at = this.#at; at < end; at++) {
        const byte = this.#bytes[at]!;
        if (byte >= 128) return UTF8.decode(this.#bytes.subarray(this.#at, end));
        text += String.fromCharCode(byte);
      }
    else text = UTF8.decode(this.#bytes.subarray(this.#at, end));
    return text;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError("a number is cut");
    return byte;
  }
}

const DECODER = new RowDecoder();

/**
 * Decode a frame of a cursor if it is a row: its own length, then CursorEntry { row = 4 }. Undefined for any
 * other entry.
 *
 * @throws RangeError if it makes no sense
 */
export function decodeRowFrame(frame: Uint8Array): Value[] | undefined {
  return DECODER.frame(frame);
}

/**
 * Decode a row that lies in `bytes` from `from` to `end`. Its blobs are views of that memory.
 *
 * @throws RangeError if it makes no sense
 */
export function decodeRow(bytes: Uint8Array, from = 0, end = bytes.length): Value[] {
  return DECODER.row(bytes, from, end);
}

/** Return an error's message: Error { message = 1, code = 2 }, or StepErrorEntry { step = 1, error = 2 } */
export function wordsOf(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== WireType.LengthDelimited) reader.skip(type);
    else if (field === 2) return wordsOf(reader.bytes());
    else return reader.string();
  }
  return "no reason given";
}
