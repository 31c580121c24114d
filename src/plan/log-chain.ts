/** The facts of a page log segment that planning needs. */
export interface ChainLink {
  readonly level: number;
  readonly minTxid: number;
  readonly maxTxid: number;
  /** Time of its newest commit, ms. */
  readonly at: number;
}

/** The level of segments that hold a whole database. */
export const SNAPSHOT_LEVEL = 9;

/**
 * Return the fewest segments whose pages, laid over one another in this order, make the database as of
 * a transaction: the newest whole database up to it, and then always the segment that reaches furthest.
 * Undefined if there is a gap.
 *
 * @param segments of one lineage, in any order
 */
export function chainTo<S extends ChainLink>(
  segments: readonly S[],
  txid: number,
): S[] | undefined {
  const usable = segments.filter(({ maxTxid }) => maxTxid <= txid);
  const base = usable
    .filter(({ minTxid }) => minTxid === 1)
    .reduce<S | undefined>(
      (best, one) => (best && best.maxTxid >= one.maxTxid ? best : one),
      undefined,
    );
  if (base === undefined) return undefined;
  const chain = [base];
  const sorted = usable.toSorted((a, b) => a.minTxid - b.minTxid);
  let reached = base.maxTxid;
  for (let next = 0; reached < txid;) {
    let furthest: S | undefined;
    for (; next < sorted.length && sorted[next]!.minTxid <= reached + 1; next++) {
      const candidate = sorted[next]!;
      if (candidate.maxTxid > (furthest?.maxTxid ?? reached)) furthest = candidate;
    }
    if (furthest === undefined) return undefined;
    chain.push(furthest);
    reached = furthest.maxTxid;
  }
  return chain;
}

/**
 * Return segments that together hold all pages that changed after the transaction `from` up to `to`, as few
 * other pages as is easily found. Undefined if there is a gap, or only a whole database has them.
 *
 * @param segments of one lineage, in any order
 */
export function chainBetween<S extends ChainLink>(
  segments: readonly S[],
  from: number,
  to: number,
): S[] | undefined {
  const usable = segments.filter(({ minTxid, maxTxid }) => minTxid > 1 && maxTxid > from);
  const chain: S[] = [];
  for (let reached = from; reached < to;) {
    const next = usable
      .filter(({ minTxid, maxTxid }) => minTxid <= reached + 1 && maxTxid > reached)
      .toSorted(
        (a, b) => beyond(a, to) - beyond(b, to) || b.minTxid - a.minTxid || b.maxTxid - a.maxTxid,
      )
      .at(0);
    if (next === undefined) return undefined;
    chain.push(next);
    reached = next.maxTxid;
  }
  return chain;
}

/** Return how many transactions of a segment come after `to`. */
function beyond({ maxTxid }: ChainLink, to: number): number {
  return Math.max(0, maxTxid - to);
}
