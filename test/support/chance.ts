/** Create a repeatable random generator (mulberry32). */
export function chanceOf(seed: number) {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    below: (limit: number) => Math.floor(next() * limit),
    happens: (probability: number) => next() < probability,
    of: <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)]!,
  };
}

export type Chance = ReturnType<typeof chanceOf>;
