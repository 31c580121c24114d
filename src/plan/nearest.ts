/** Most slips between two names that are taken for one another. */
const MOST_SLIPS = 2;

/**
 * Return the name that was most likely meant by one that does not exist: with a letter too many, too
 * few, wrong or swapped with its neighbour, or with more at its end. Undefined if none is near.
 */
export function nearest(wanted: string, names: Iterable<string>): string | undefined {
  const text = wanted.toLowerCase().slice(0, 100);
  const most = Math.min(MOST_SLIPS, Math.floor(text.length / 2));
  let best: { name: string; slips: number } | undefined;
  for (const name of names) {
    const slips = extendsOther(text, name) ? 0.5 : slipsBetween(text, name);
    if (slips <= most && (best === undefined || slips < best.slips)) best = { name, slips };
  }
  return best?.name;
}

/** Return true if one is the other with a part added at the end, such as `shop` and `shop-staging`. */
function extendsOther(one: string, other: string): boolean {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  return short.length >= 2 && /^[-_]/.test(long.slice(short.length)) && long.startsWith(short);
}

/** Return the optimal string alignment distance of two texts. */
function slipsBetween(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      row[j] = Math.min(
        last[j]! + 1,
        row[j - 1]! + 1,
        last[j - 1]! + same,
        swapped ? before[j - 2]! + 1 : Infinity,
      );
    }
    [before, last] = [last, row];
  }
  return last.at(-1)!;
}
