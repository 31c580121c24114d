import { createHash } from "node:crypto";

/** The digest of a table's content, by which two copies of it can be compared. */
export interface TableDigest {
  readonly name: string;
  readonly rows: number;
  /** SHA-256, hex: see `RowHash`. */
  readonly sha256: string;
}

const NULL = 0;
const INTEGER = 1;
const REAL = 2;
const TEXT = 3;
const BLOB = 4;
const BUFFER = 64 * 1024;
/** Values of up to this many bytes are copied one by one. */
const SHORT = 128;

/**
 * SHA-256 over a table's rows in the order of their keys: each row its rowid (where rows have one that
 * can be named) and its stored columns in order; each value a byte for its type (0 NULL, 1 INTEGER,
 * 2 REAL, 3 TEXT, 4 BLOB), then eight bytes big-endian (INTEGER, REAL) or a length of eight bytes and
 * the bytes (TEXT in UTF-8, BLOB). Described in docs/format.md, so that others can compute it too.
 */
export class RowHash {
  #hash = createHash("sha256");
  readonly #buffer = new Uint8Array(BUFFER);
  readonly #view = new DataView(this.#buffer.buffer);
  #length = 0;

  null(): void {
    this.#room(1);
    this.#buffer[this.#length++] = NULL;
  }

  integer(value: number | bigint): void {
    this.#room(9);
    this.#buffer[this.#length] = INTEGER;
    if (typeof value === "bigint") this.#view.setBigInt64(this.#length + 1, value);
    else this.#setInteger(value);
    this.#length += 9;
  }

  real(value: number): void {
    this.#room(9);
    this.#buffer[this.#length] = REAL;
    this.#view.setFloat64(this.#length + 1, value);
    this.#length += 9;
  }

  /** Hash a text: `length` bytes of `heap` from `from`. */
  text(heap: Uint8Array, from = 0, length = heap.length): void {
    this.#bytes(TEXT, heap, from, length);
  }

  /** Hash a blob: `length` bytes of `heap` from `from`. */
  blob(heap: Uint8Array, from = 0, length = heap.length): void {
    this.#bytes(BLOB, heap, from, length);
  }

  /** Return the SHA-256 in hexadecimal. Values that follow begin another one. */
  digest(): string {
    this.#flush();
    const digest = this.#hash.digest("hex");
    this.#hash = createHash("sha256");
    return digest;
  }

  /** Write a whole number of at most 53 bits as eight bytes, after the byte for its type. */
  #setInteger(value: number): void {
    this.#view.setInt32(this.#length + 1, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(this.#length + 5, value >>> 0);
  }

  #bytes(type: number, heap: Uint8Array, from: number, length: number): void {
    this.#room(9);
    this.#buffer[this.#length] = type;
    this.#setInteger(length);
    this.#length += 9;
    if (length > BUFFER) {
      this.#flush();
      this.#hash.update(heap.subarray(from, from + length));
      return;
    }
    this.#room(length);
    // Making a view costs more than copying most values.
    if (length > SHORT) this.#buffer.set(heap.subarray(from, from + length), this.#length);
    else for (let at = 0; at < length; at++) this.#buffer[this.#length + at] = heap[from + at]!;
    this.#length += length;
  }

  #room(more: number): void {
    if (this.#length + more > BUFFER) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
  }
}

const SET_BITS = 256;

/**
 * The hash of rows whose order is not known: the sum of each row's `RowHash`, modulo 2^256. Equal rows
 * count as often as they are there.
 */
export class RowSetHash {
  /** Takes the values of the current row. */
  readonly row = new RowHash();
  #sum = 0n;

  endRow(): void {
    this.#sum = BigInt.asUintN(SET_BITS, this.#sum + BigInt(`0x${this.row.digest()}`));
  }

  /** Return the sum in hexadecimal. */
  digest(): string {
    return this.#sum.toString(16).padStart(SET_BITS / 4, "0");
  }
}
