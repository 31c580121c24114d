import { DAY } from "./duration.ts";
import { GRACE, nextMoment } from "./schedule.ts";

/** The best that happened on a day: 0 only failures, 1 stored, 2 proven and as before, 3 proven. */
export type DayFact = 0 | 1 | 2 | 3;

/**
 * The state of a day. `proven`: a backup was read back and found good. `unchanged`: so was one that equals the
 * one before. `stored`: it was not read back. `late`: one was due, and none was made. `none`: none was due, or
 * the database had no backups yet.
 */
export const DAY_STATES = ["proven", "unchanged", "stored", "late", "failed", "none"] as const;
export type DayState = (typeof DAY_STATES)[number];

const OF_FACT: Readonly<Record<DayFact, DayState>> = {
  0: "failed",
  1: "stored",
  2: "unchanged",
  3: "proven",
};

/** Return the number of a moment's day since the epoch, UTC. */
export function dayOf(moment: number): number {
  return Math.floor(moment / DAY);
}

/**
 * Return the states of the last days, the oldest first and today last.
 *
 * @param facts by the days' numbers
 * @param now ms
 */
export function calendarOf(
  facts: ReadonlyMap<number, DayFact>,
  schedule: string | undefined,
  count: number,
  now: number,
): DayState[] {
  const today = dayOf(now);
  const first = Math.min(...facts.keys());
  return Array.from({ length: count }, (_, at) => {
    const day = today - count + 1 + at;
    const fact = facts.get(day);
    if (fact !== undefined) return OF_FACT[fact];
    if (day < first || schedule === undefined) return "none";
    const due = nextMoment(schedule, day * DAY - 1);
    const missed = due !== undefined && due < (day + 1) * DAY && now > due + GRACE;
    return missed ? "late" : "none";
  });
}
