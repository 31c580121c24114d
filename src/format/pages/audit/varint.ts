/** SQLite's integers of one to nine bytes (https://sqlite.org/fileformat2.html#varint), the big end first. */

const LONGEST = 9;

/** Return the index after the integer that starts at `at`. At most nine bytes are read. */
export function varintEnd(bytes: Uint8Array, at: number): number {
  const last = at + LONGEST - 1;
  let end = at;
  while (end < last && bytes[end]! >= 0x80) end++;
  return end + 1;
}

/**
 * Read the integer that starts at `at`, with its sign. It is exact within ±2^53. Beyond that it is rounded,
 * which may make two integers equal but never reverses their order.
 */
export function varint(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let next = at; next < at + LONGEST - 1; next++) {
    const byte = bytes[next]!;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return value;
  }
  return longest(bytes, at);
}

/** Read an integer of nine bytes: 64 bits with a sign, seven of each of the first eight, all of the ninth. */
function longest(bytes: Uint8Array, at: number): number {
  const bits = (index: number) => bytes[at + index]! & 0x7f;
  const high =
    (bits(0) << 25) | (bits(1) << 18) | (bits(2) << 11) | (bits(3) << 4) | (bits(4) >>> 3);
  const low = (bits(4) << 29) | (bits(5) << 22) | (bits(6) << 15) | (bits(7) << 8) | bytes[at + 8]!;
  return high * 2 ** 32 + (low >>> 0); // one rounding, so the order of two integers stays
}

/** Read the integer that starts at `at`, with its sign, exactly. */
export function exactVarint(bytes: Uint8Array, at: number): bigint {
  const near = varint(bytes, at);
  if (Number.isSafeInteger(near)) return BigInt(near);
  let value = 0n;
  for (let next = at; next < at + LONGEST - 1; next++) {
    value = (value << 7n) | BigInt(bytes[next]! & 0x7f);
    if (bytes[next]! < 0x80) return value;
  }
  return BigInt.asIntN(64, (value << 8n) | BigInt(bytes[at + LONGEST - 1]!));
}

/** Return true if rowid `a` may come after rowid `b`. Two that {@link varint} rounds to one value may. */
export function follows(a: number, b: number): boolean {
  return a > b || (a === b && !Number.isSafeInteger(a));
}
