import { createHash } from "node:crypto";

/** What a table holds, in a form that two copies of it can be compared by. */
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

/**
 * SHA-256 over a table's rows in the order of their keys: each row its rowid (where rows have one that
 * can be named) and its stored columns in order; each value a byte for its type (0 NULL, 1 INTEGER,
 * 2 REAL, 3 TEXT, 4 BLOB), then eight bytes big-endian (INTEGER, REAL) or a length of eight bytes and
 * the bytes (TEXT in UTF-8, BLOB). Described in docs/format.md, so that others can compute it too.
 */
export class RowHash {
  readonly #hash = createHash("sha256");
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
    this.#view.setBigInt64(this.#length + 1, BigInt(value));
    this.#length += 9;
  }

  real(value: number): void {
    this.#room(9);
    this.#buffer[this.#length] = REAL;
    this.#view.setFloat64(this.#length + 1, value);
    this.#length += 9;
  }

  text(bytes: Uint8Array): void {
    this.#bytes(TEXT, bytes);
  }

  blob(bytes: Uint8Array): void {
    this.#bytes(BLOB, bytes);
  }

  /** The SHA-256 in hexadecimal; ends the hashing. */
  digest(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #bytes(type: number, bytes: Uint8Array): void {
    this.#room(9);
    this.#buffer[this.#length] = type;
    this.#view.setBigUint64(this.#length + 1, BigInt(bytes.length));
    this.#length += 9;
    if (bytes.length > BUFFER) {
      this.#flush();
      this.#hash.update(bytes);
      return;
    }
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #room(more: number): void {
    if (this.#length + more > BUFFER) this.#flush();
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
  }
}
