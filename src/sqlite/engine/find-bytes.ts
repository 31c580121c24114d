/** The critical factorization of a needle: the start of its right part, and the right part's period. */
interface Factors {
  readonly right: number;
  readonly period: number;
  /** Bytes that are known to match after a shift by the period. */
  readonly memory: number;
}

/**
 * Finds all places of `needle` in bytes by the two-way algorithm (Crochemore and Perrin, 1991): at most
 * two comparisons for each byte, whatever the bytes are, and no memory.
 */
export class Finder {
  readonly #needle: Uint8Array;
  readonly #factors: Factors;

  /** @param needle at least one byte */
  constructor(needle: Uint8Array) {
    this.#needle = needle;
    this.#factors = factorsOf(needle);
  }

  /**
   * Call `found` with each place of the needle, overlapping ones included, in ascending order.
   *
   * @param found returns the place from which to go on, not before the next one; -1 to stop
   */
  each(bytes: Uint8Array, found: (place: number) => number): void {
    const needle = this.#needle;
    const { right, period, memory } = this.#factors;
    const length = needle.length;
    let known = 0;
    for (let at = 0; at + length <= bytes.length;) {
      let place = Math.max(right, known);
      while (place < length && needle[place] === bytes[at + place]) place++;
      if (place < length) {
        at += place - right + 1;
        known = 0;
        continue;
      }
      place = right;
      while (place > known && needle[place - 1] === bytes[at + place - 1]) place--;
      if (place <= known) {
        const next = found(at);
        if (next < 0) return;
        if (next > at + period) {
          at = next;
          known = 0;
          continue;
        }
      }
      at += period;
      known = memory;
    }
  }
}

function factorsOf(needle: Uint8Array): Factors {
  const up = maximalSuffix(needle, (a, b) => a > b);
  const down = maximalSuffix(needle, (a, b) => a < b);
  const { start: right, period } = down.start > up.start ? down : up;
  for (let at = 0; at < right; at++)
    if (needle[at] !== needle[at + period])
      return { right, period: Math.max(right - 1, needle.length - right) + 1, memory: 0 };
  return { right, period, memory: needle.length - period };
}

/** Find the suffix that is the greatest in this order of bytes: its start and its period. */
function maximalSuffix(
  needle: Uint8Array,
  isGreater: (a: number, b: number) => boolean,
): { start: number; period: number } {
  let before = -1;
  let at = 0;
  let length = 1;
  let period = 1;
  while (at + length < needle.length) {
    const a = needle[before + length]!;
    const b = needle[at + length]!;
    if (a === b) {
      if (length === period) {
        at += period;
        length = 1;
      } else length++;
    } else if (isGreater(a, b)) {
      at += length;
      length = 1;
      period = at - before;
    } else {
      before = at++;
      length = period = 1;
    }
  }
  return { start: before + 1, period };
}
