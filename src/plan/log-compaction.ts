import { DAY, HOUR } from "./duration.ts";
import { type ChainLink, chainTo, SNAPSHOT_LEVEL } from "./log-chain.ts";

/** Segments to merge into one of a higher level. */
export interface Merge<S> {
  readonly level: number;
  /** In order, without a gap. */
  readonly inputs: readonly S[];
}

/** Levels above the pulled segments, and the span of time that one of their segments covers, ms. */
const LEVELS = [
  { level: 1, span: HOUR },
  { level: 2, span: DAY },
] as const;

/** The facts of a segment that planning needs. */
interface Sized extends ChainLink {
  readonly bytes: number;
  readonly createdAt: number;
}

/**
 * Return the merges that are worthwhile in a lineage: the segments of each past hour and of each past
 * day, and the whole chain if the segments after its base are more than half as large as the base, or
 * if the base is old.
 *
 * @param segments of one lineage
 * @param now ms
 * @param renewAfter age of a base at which it is replaced, ms
 */
export function mergesDue<S extends Sized>(
  segments: readonly S[],
  now: number,
  renewAfter: number,
): Merge<S>[] {
  const merges: Merge<S>[] = [];
  for (const { level, span } of LEVELS) {
    const current = Math.floor(now / span);
    const done = segments.filter((segment) => segment.level === level);
    for (const [period, pulled] of byPeriod(segments, span)) {
      if (period >= current) continue;
      const from = pulled[0]!.minTxid;
      const to = pulled.at(-1)!.maxTxid;
      if (done.some(({ minTxid, maxTxid }) => minTxid <= from && maxTxid >= to)) continue;
      const inputs = coverOf(segments, level, from, to);
      if (inputs !== undefined && inputs.length > 1) merges.push({ level, inputs });
    }
  }
  const newest = Math.max(0, ...segments.map(({ maxTxid }) => maxTxid));
  const chain = chainTo(segments, newest);
  const [base, ...rest] = chain ?? [];
  if (base !== undefined && rest.length > 0) {
    const grown = rest.reduce((sum, { bytes }) => sum + bytes, 0) > base.bytes / 2;
    if (grown || now - base.createdAt > renewAfter)
      merges.push({ level: SNAPSHOT_LEVEL, inputs: chain! });
  }
  return merges;
}

/** Group the pulled segments by the period of their last commit, each group in order. */
function byPeriod<S extends Sized>(segments: readonly S[], span: number): Map<number, S[]> {
  const periods = new Map<number, S[]>();
  const pulled = segments.filter(({ level }) => level === 0);
  for (const segment of pulled.toSorted((a, b) => a.minTxid - b.minTxid)) {
    const period = Math.floor(segment.at / span);
    const held = periods.get(period);
    if (held === undefined) periods.set(period, [segment]);
    else held.push(segment);
  }
  return periods;
}

/**
 * Return the fewest segments below a level that hold exactly the transactions `from` to `to`; undefined
 * if there is a gap.
 */
function coverOf<S extends Sized>(
  segments: readonly S[],
  level: number,
  from: number,
  to: number,
): S[] | undefined {
  const within = segments.filter(
    (segment) => segment.level < level && segment.minTxid >= from && segment.maxTxid <= to,
  );
  const cover: S[] = [];
  for (let next = from; next <= to;) {
    const best = within
      .filter(({ minTxid }) => minTxid === next)
      .reduce<S | undefined>((a, b) => (a && a.maxTxid >= b.maxTxid ? a : b), undefined);
    if (best === undefined) return undefined;
    cover.push(best);
    next = best.maxTxid + 1;
  }
  return cover;
}

/**
 * Return the segments of a lineage that no moment from `horizon` (ms) on needs: those that the newest
 * whole database before it replaces. Bases come last, so that none is deleted before the segments that
 * need it.
 */
export function expired<S extends ChainLink>(segments: readonly S[], horizon: number): S[] {
  const base = segments
    .filter(({ minTxid, at }) => minTxid === 1 && at <= horizon)
    .reduce<S | undefined>((a, b) => (a && a.maxTxid >= b.maxTxid ? a : b), undefined);
  if (base === undefined) return [];
  return segments
    .filter((segment) => segment !== base && segment.maxTxid <= base.maxTxid)
    .toSorted((a, b) => a.level - b.level);
}
