import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { followPause } from "../../../src/plan/follow-pace.ts";
import { chainTo, SNAPSHOT_LEVEL } from "../../../src/plan/log-chain.ts";
import { expired, mergesDue } from "../../../src/plan/log-compaction.ts";

/** A segment, and the transaction that last wrote each of its pages. */
interface Segment {
  level: number;
  minTxid: number;
  maxTxid: number;
  at: number;
  createdAt: number;
  bytes: number;
  pages: ReadonlyMap<number, number>;
}

const RENEW = 7 * DAY;

function overlay(segments: readonly Segment[]): Map<number, number> {
  return new Map(segments.flatMap(({ pages }) => [...pages]));
}

function segment(level: number, minTxid: number, maxTxid: number, at = 0): Segment {
  return { level, minTxid, maxTxid, at, createdAt: at, bytes: 100, pages: new Map() };
}

/** Perform the merges that are due, as compaction does. */
function compact(segments: Segment[], now: number): number {
  const merges = mergesDue(segments, now, RENEW);
  for (const { level, inputs } of merges) {
    const pages = overlay(inputs);
    const { maxTxid, at } = inputs.at(-1)!;
    const bytes = pages.size * 10;
    segments.push({
      ...{ level, minTxid: inputs[0]!.minTxid, maxTxid, at, createdAt: now, bytes, pages },
    });
  }
  return merges.length;
}

/** Pulls: the time since the previous one, the number of transactions, the pages. */
const pulls = fc.array(
  fc.record({
    after: fc.oneof(
      fc.integer({ min: 1, max: 20 * MINUTE }),
      fc.integer({ min: HOUR, max: 9 * DAY }),
    ),
    commits: fc.integer({ min: 1, max: 4 }),
    pages: fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 }),
  }),
  { maxLength: 40 },
);

/** Build a lineage that was pulled and compacted; `pulled` is its base and everything pulled. */
function lineage(steps: typeof pulls extends fc.Arbitrary<infer T> ? T : never) {
  const whole = new Map(Array.from({ length: 30 }, (_, page) => [page + 1, 1]));
  const base = { ...segment(SNAPSHOT_LEVEL, 1, 1, 5 * DAY), bytes: 300, pages: whole };
  const all: Segment[] = [base];
  const pulled: Segment[] = [base];
  for (const { after, commits, pages } of steps) {
    const last = pulled.at(-1)!;
    const next = segment(0, last.maxTxid + 1, last.maxTxid + commits, last.at + after);
    next.bytes = pages.length * 10;
    next.pages = new Map(pages.map((page) => [page, next.maxTxid]));
    pulled.push(next);
    all.push(next);
    compact(all, next.at);
  }
  return { all, pulled };
}

describe("chainTo", () => {
  it("makes of the fewest segments the same as all that were pulled make", () => {
    fc.assert(
      fc.property(pulls, (steps) => {
        const { all, pulled } = lineage(steps);
        for (const [number, { maxTxid }] of pulled.entries()) {
          const chain = chainTo(all, maxTxid)!;
          expect(overlay(chain)).toEqual(overlay(pulled.slice(0, number + 1)));
          expect(chain.length).toBe(1 + fewest(all, chain[0]!.maxTxid, maxTxid));
        }
      }),
      { numRuns: 200 },
    );
  });

  it("gives nothing where there is a gap, no base, or no end at the transaction", () => {
    const base = segment(9, 1, 1);
    expect(chainTo([], 1)).toBeUndefined();
    expect(chainTo([segment(0, 2, 2)], 2)).toBeUndefined();
    expect(chainTo([base, segment(0, 3, 3)], 3)).toBeUndefined();
    expect(chainTo([base, segment(0, 2, 4)], 3)).toBeUndefined();
    expect(chainTo([base, segment(0, 2, 4)], 5)).toBeUndefined();
    expect(chainTo([base, segment(9, 1, 7)], 6)).toBeUndefined();
  });

  it("takes a segment that reaches back over what is there already", () => {
    const [base, day, hour] = [segment(9, 1, 5), segment(2, 3, 8), segment(1, 7, 9)];
    expect(chainTo([hour, day, base], 9)).toEqual([base, day, hour]);
  });
});

/** Find the smallest number of segments from one transaction to another, by trying all. */
function fewest(segments: readonly Segment[], from: number, to: number): number {
  const steps = new Map([[from, 0]]);
  for (let reached = from; reached < to; reached++) {
    const count = steps.get(reached);
    if (count === undefined) continue;
    for (const { minTxid, maxTxid } of segments)
      if (minTxid <= reached + 1 && maxTxid > reached && maxTxid <= to)
        steps.set(maxTxid, Math.min(steps.get(maxTxid) ?? Infinity, count + 1));
  }
  return steps.get(to)!;
}

describe("mergesDue", () => {
  it("leaves nothing due once it has been carried out, and merges nothing alone", () => {
    fc.assert(
      fc.property(pulls, fc.integer({ min: 0, max: 3 * DAY }), (steps, later) => {
        const { all, pulled } = lineage(steps);
        const now = pulled.at(-1)!.at + later;
        for (const { inputs } of mergesDue(all, now, RENEW)) {
          expect(inputs.length).toBeGreaterThan(1);
          for (let i = 1; i < inputs.length; i++)
            expect(inputs[i]!.minTxid).toBeLessThanOrEqual(inputs[i - 1]!.maxTxid + 1);
        }
        compact(all, now);
        compact(all, now); // a day's segment may be what makes a whole base worthwhile
        expect(compact(all, now)).toBe(0);
        const names = all.map(({ level, minTxid, maxTxid }) => `${level} ${minTxid} ${maxTxid}`);
        expect(new Set(names).size).toBe(names.length); // two with the same key would be a conflict
      }),
      { numRuns: 200 },
    );
  });

  it("merges an hour and a day once they are over, and the whole when it has grown or is old", () => {
    const base = { ...segment(9, 1, 1, 0), bytes: 10_000 };
    const first = segment(0, 2, 2, 10 * MINUTE);
    const second = segment(0, 3, 3, 20 * MINUTE);
    const log = [base, first, second];
    expect(mergesDue(log, 59 * MINUTE, RENEW)).toEqual([]);
    expect(mergesDue(log, HOUR, RENEW)).toEqual([{ level: 1, inputs: [first, second] }]);
    const hour = segment(1, 2, 3, 20 * MINUTE);
    const third = segment(0, 4, 4, 3 * HOUR);
    expect(mergesDue([...log, hour, third], DAY, RENEW)).toEqual([
      { level: 2, inputs: [hour, third] },
    ]);
    const day = segment(2, 2, 4, 3 * HOUR);
    expect(mergesDue([...log, hour, third, day], RENEW, RENEW)).toEqual([]);
    const whole = { level: 9, inputs: [base, day] };
    expect(mergesDue([...log, hour, third, day], RENEW + 1, RENEW)).toEqual([whole]);
    const large = { ...segment(0, 2, 2, MINUTE), bytes: 5001 };
    expect(mergesDue([base, large], 2 * MINUTE, RENEW)).toEqual([
      { level: 9, inputs: [base, large] },
    ]);
  });
});

describe("expired", () => {
  it("leaves every moment from the horizon on, however far its removal gets", () => {
    fc.assert(
      fc.property(
        pulls,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(),
        (steps, part, cut) => {
          const { all, pulled } = lineage(steps);
          const horizon = 5 * DAY + part * (pulled.at(-1)!.at - 5 * DAY);
          const gone = expired(all, horizon);
          const left = all.filter((one) => !gone.slice(0, cut % (gone.length + 1)).includes(one));
          const atHorizon = pulled.findLastIndex(({ at }) => at <= horizon);
          for (const [number, { maxTxid }] of pulled.entries()) {
            if (number < atHorizon) continue;
            expect(overlay(chainTo(left, maxTxid)!)).toEqual(overlay(pulled.slice(0, number + 1)));
          }
          expect(expired(left, horizon)).toEqual(gone.slice(cut % (gone.length + 1)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("takes nothing while no newer whole database is old enough", () => {
    const log = [segment(9, 1, 1, 0), segment(0, 2, 2, HOUR), segment(9, 1, 2, HOUR)];
    expect(expired(log, HOUR - 1)).toEqual([]);
    expect(expired(log, HOUR)).toEqual([log[1], log[0]]);
  });
});

it("a follower slows down where nothing happens, and more where the source fails", () => {
  expect([0, 9, 10, 20, 30, 1000].map((idle) => followPause(MINUTE, idle, 0) / MINUTE)).toEqual([
    1, 1, 2, 3, 4, 4,
  ]);
  expect([1, 2, 3, 10, 1e9].map((failures) => followPause(MINUTE, 0, failures) / MINUTE)).toEqual([
    2, 4, 8, 15, 15,
  ]);
  expect(followPause(HOUR, 0, 5)).toBe(HOUR);
});
