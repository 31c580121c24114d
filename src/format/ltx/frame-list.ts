import { HEADER_SIZE } from "./header.ts";

const PIECE = 64 * 1024;
/** The longest entry of the list: two varints of 32 bits. */
const MAX_NOTE = 10;
/** The longest entry of the index (page number, offset, size), and the 0 at the end. */
const MAX_ENTRY = 5 + 8 + 5 + 1;

/**
 * The frames of an LTX file in order, from which its index follows. Frames touch each other and begin after
 * the header, so only the step from page to page and the size are kept: about 3 bytes a page, 8 MB for a
 * database of 10 GB.
 */
export class FrameList {
  readonly #pieces: Uint8Array[] = [];
  #piece = new Uint8Array(256);
  #length = 0;
  #last = 0;

  /** @param size of the whole frame, in bytes */
  add(pgno: number, size: number): void {
    if (this.#length + MAX_NOTE > this.#piece.length) this.#grow();
    this.#length = putVarint(this.#piece, this.#length, pgno - this.#last);
    this.#length = putVarint(this.#piece, this.#length, size);
    this.#last = pgno;
  }

  /**
   * Yield the index as the file has it, in pieces that are valid until the next one is asked for: for each
   * frame the page number, its offset and its size, as varints; then a 0.
   */
  *index(): Iterable<Uint8Array> {
    const out = new Uint8Array(PIECE);
    let length = 0;
    let pgno = 0;
    let offset = HEADER_SIZE;
    const read = { at: 0 };
    for (const piece of [...this.#pieces, this.#piece.subarray(0, this.#length)]) {
      for (read.at = 0; read.at < piece.length;) {
        if (length + MAX_ENTRY > out.length) {
          yield out.subarray(0, length);
          length = 0;
        }
        pgno += getVarint(piece, read);
        const size = getVarint(piece, read);
        length = putVarint(out, length, pgno);
        length = putVarint(out, length, offset);
        length = putVarint(out, length, size);
        offset += size;
      }
    }
    out[length++] = 0;
    yield out.subarray(0, length);
  }

  /** Make room. Most files are small, so the first piece grows in steps, and a short list stays short. */
  #grow(): void {
    if (this.#piece.length < PIECE) {
      const larger = new Uint8Array(this.#piece.length * 4);
      larger.set(this.#piece);
      this.#piece = larger;
      return;
    }
    this.#pieces.push(this.#piece.subarray(0, this.#length));
    this.#piece = new Uint8Array(PIECE);
    this.#length = 0;
  }
}

/**
 * Write a varint, and return the index after it: 7 bits a byte, the lowest first, the top bit set in all
 * but the last byte (Go's `AppendUvarint`).
 */
export function putVarint(target: Uint8Array, at: number, value: number): number {
  for (; value >= 0x80; value = Math.floor(value / 0x80)) target[at++] = (value % 0x80) | 0x80;
  target[at++] = value;
  return at;
}

/** Read a varint, and move `read.at` on. NaN if the bytes end inside of the number, or it is beyond 2^53. */
export function getVarint(bytes: Uint8Array, read: { at: number }): number {
  let value = 0;
  let scale = 1;
  for (;;) {
    const byte = bytes[read.at++];
    if (byte === undefined) return Number.NaN;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return Number.isSafeInteger(value) ? value : Number.NaN;
    scale *= 0x80;
  }
}
