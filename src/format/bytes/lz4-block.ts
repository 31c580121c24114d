import { NightjarError } from "../../errors/errors.ts";

/**
 * The LZ4 block format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md): sequences of a
 * token, literals, and a match, which is a distance back and a length.
 */

const MIN_MATCH = 4;
/** The format's rules for a block's end: the last 5 bytes are literals… */
const LAST_LITERALS = 5;
/** …and the last match starts at least 12 bytes before the end. */
const MATCH_LIMIT = 12;
const MAX_DISTANCE = 0xffff;
const HASH_BITS = 13;
/** After this many positions without a match (as a power of 2) the search takes longer steps. */
const SKIP_BITS = 4;
/** From this many bytes on, a native copy is faster than a loop over words. */
const NATIVE_COPY = 48;

/**
 * The position, plus `base`, where a sequence of 4 bytes was last seen, by its hash. Each call moves `base`
 * beyond all earlier positions, so the table needs no clearing between calls.
 */
const table = new Int32Array(1 << HASH_BITS);
let base = 1;

/** Return the most bytes that a block of `length` bytes can become. */
export function lz4Bound(length: number): number {
  return length + Math.floor(length / 255) + 16;
}

/**
 * Write `source` as one block into `target` from `at` on. `lz4Bound` bytes must be free there, and those
 * after the block may be overwritten too. The same bytes always give the same block.
 *
 * @returns the index after the block
 */
export function lz4Compress(source: Uint8Array, target: Uint8Array, at = 0): number {
  const { length } = source;
  if (target.length - at < lz4Bound(length))
    throw new RangeError(`An LZ4 block of ${length} bytes needs ${lz4Bound(length)} free bytes.`);
  if (base + length > 0x7fff_ffff) {
    table.fill(0);
    base = 1;
  }
  const words = new DataView(source.buffer, source.byteOffset, length);
  const to = new DataView(target.buffer, target.byteOffset, target.length);
  const lastMatch = length - MATCH_LIMIT;
  const matchEnd = length - LAST_LITERALS;
  const start = base;
  let anchor = 0;
  let position = 0;
  let out = at;
  let tries = 1 << SKIP_BITS;
  while (position <= lastMatch) {
    const sequence = words.getInt32(position, true);
    const slot = Math.imul(sequence, 0x9e3779b1) >>> (32 - HASH_BITS);
    let candidate = table[slot]! - start;
    table[slot] = position + start;
    if (
      candidate < 0 ||
      position - candidate > MAX_DISTANCE ||
      words.getInt32(candidate, true) !== sequence
    ) {
      position += tries++ >>> SKIP_BITS;
      continue;
    }
    while (position > anchor && candidate > 0 && source[position - 1] === source[candidate - 1]) {
      position--;
      candidate--;
    }
    const end = matchLength(words, candidate, position, matchEnd);
    const extra = end - position - MIN_MATCH;
    out = putSequence(words, anchor, position, to, out, extra);
    to.setUint16(out, position - candidate, true);
    out += 2;
    if (extra >= 15) out = putLength(to, out, extra - 15);
    position = end;
    anchor = end;
    tries = 1 << SKIP_BITS;
  }
  base = start + length;
  return putSequence(words, anchor, length, to, out, 0);
}

/** Return the index after the bytes at `position` that match those at `candidate`. The first 4 do. */
function matchLength(words: DataView, candidate: number, position: number, limit: number): number {
  let at = position + MIN_MATCH;
  const distance = position - candidate;
  while (at <= limit - 4) {
    const different = words.getInt32(at, true) ^ words.getInt32(at - distance, true);
    if (different !== 0) return at + ((31 - Math.clz32(different & -different)) >>> 3);
    at += 4;
  }
  while (at < limit && words.getUint8(at) === words.getUint8(at - distance)) at++;
  return at;
}

/** Write the token and the literals. `extra` is the length of the match beyond 4. */
function putSequence(
  from: DataView,
  anchor: number,
  end: number,
  to: DataView,
  at: number,
  extra: number,
): number {
  const count = end - anchor;
  to.setUint8(at++, (Math.min(count, 15) << 4) | Math.min(extra, 15));
  if (count >= 15) at = putLength(to, at, count - 15);
  const stop = at + count;
  // Copy whole words if writing past the end is safe: what follows is written later.
  if (end <= from.byteLength - 4)
    for (; at < stop; at += 4, anchor += 4) to.setInt32(at, from.getInt32(anchor, true), true);
  else for (; at < stop; at++, anchor++) to.setUint8(at, from.getUint8(anchor));
  return stop;
}

function putLength(to: DataView, at: number, rest: number): number {
  for (; rest >= 255; rest -= 255) to.setUint8(at++, 255);
  to.setUint8(at++, rest);
  return at;
}

/**
 * Decompress one block into `target`.
 *
 * @returns the number of bytes that the block held
 * @throws NightjarError `OBJECT_CORRUPT` when it is malformed or does not fit
 */
export function lz4Decompress(source: Uint8Array, target: Uint8Array): number {
  const { length } = source;
  const space = target.length;
  const from = new DataView(source.buffer, source.byteOffset, length);
  const to = new DataView(target.buffer, target.byteOffset, space);
  let at = 0;
  let out = 0;
  while (at < length) {
    const token = source[at++]!;
    let count = token >>> 4;
    if (count === 15) {
      let more = 255;
      while (more === 255) {
        if (at >= length) throw malformed("ends inside of a length");
        more = source[at++]!;
        count += more;
      }
    }
    if (count > length - at) throw malformed("ends inside of its literals");
    if (count > space - out) throw malformed("holds more than it should");
    if (count >= NATIVE_COPY) target.set(source.subarray(at, at + count), out);
    else if (count <= length - at - 4 && count <= space - out - 4)
      for (let done = 0; done < count; done += 4)
        to.setInt32(out + done, from.getInt32(at + done, true), true);
    else for (let done = 0; done < count; done++) target[out + done] = source[at + done]!;
    at += count;
    out += count;
    if (at === length) {
      if ((token & 15) !== 0) throw malformed("ends inside of a match");
      return out;
    }

    if (length - at < 2) throw malformed("ends inside of a match");
    const distance = source[at]! | (source[at + 1]! << 8);
    at += 2;
    if (distance === 0 || distance > out) throw malformed("refers to bytes before its start");
    count = (token & 15) + MIN_MATCH;
    if (count === 15 + MIN_MATCH) {
      let more = 255;
      while (more === 255) {
        if (at >= length) throw malformed("ends inside of a length");
        more = source[at++]!;
        count += more;
      }
    }
    if (count > space - out) throw malformed("holds more than it should");
    const end = out + count;
    let copy = out - distance;
    if (count >= NATIVE_COPY && distance >= count) target.copyWithin(out, copy, copy + count);
    else if (count >= NATIVE_COPY && distance === 1) target.fill(target[copy]!, out, end);
    else if (distance >= 4 && end <= space - 4)
      for (; out < end; out += 4, copy += 4) to.setInt32(out, to.getInt32(copy, true), true);
    else while (out < end) target[out++] = target[copy++]!;
    out = end;
  }
  throw malformed("ends without its last literals");
}

function malformed(what: string): NightjarError {
  return new NightjarError("OBJECT_CORRUPT", `An LZ4 block ${what}.`);
}
