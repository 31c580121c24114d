/**
 * CRC-64/ISO as Go's `hash/crc64` computes it: polynomial x^64 + x^4 + x^3 + x + 1, bits reflected
 * (0xD800000000000000), the state inverted before and after. The state is kept in two 32-bit halves
 * because BigInt arithmetic allocates at every step.
 *
 * The polynomial has so few terms that no tables are needed for whole words: x^64 is congruent to
 * x^4 + x^3 + x + 1, so that eight bytes are folded in with a few shifts.
 */
export class Crc64 {
  /** The inverted state. In the reflected order the low half takes in the next bytes first. */
  #low: number;
  #high: number;

  /** @param from the digest of what came before */
  constructor(from = 0n) {
    this.#low = ~Number(BigInt.asIntN(32, from));
    this.#high = ~Number(BigInt.asIntN(32, from >> 32n));
  }

  update(data: Uint8Array): void {
    let low = this.#low;
    let high = this.#high;
    let at = 0;
    if (data.length >= 32) {
      const words = new DataView(data.buffer, data.byteOffset, data.length);
      for (const end = data.length - 7; at < end; at += 8) {
        low ^= words.getInt32(at, true);
        high ^= words.getInt32(at + 4, true);
        // Bits that the shifts below push out of the low end are folded in once more, from the top.
        const out = (low << 31) ^ (low << 29) ^ (low << 28);
        low ^= (low >>> 1) ^ (low >>> 3) ^ (low >>> 4) ^ (high << 31) ^ (high << 29) ^ (high << 28);
        high ^= (high >>> 1) ^ (high >>> 3) ^ (high >>> 4);
        high ^= out ^ (out >>> 1) ^ (out >>> 3) ^ (out >>> 4);
      }
    }
    for (; at < data.length; at++) {
      const top = TABLE[(low ^ data[at]!) & 0xff]!;
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) ^ top;
    }
    this.#low = low;
    this.#high = high;
  }

  /** Return the checksum of everything so far, 0 to 2^64 - 1. More may follow. */
  digest(): bigint {
    return (BigInt(~this.#high >>> 0) << 32n) | BigInt(~this.#low >>> 0);
  }
}

/** Return the same as Go's `crc64.Update(from, ISO, data)`. */
export function crc64(data: Uint8Array, from = 0n): bigint {
  const crc = new Crc64(from);
  crc.update(data);
  return crc.digest();
}

/** The upper half of what each byte value adds. The lower half is 0 with this polynomial. */
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let low = byte;
  let high = 0;
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high = (high >>> 1) ^ (carry === 0 ? 0 : 0xd8000000);
  }
  return high;
});
