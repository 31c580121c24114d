import { MINUTE } from "./duration.ts";

/** Tries that find nothing before the pace slows. */
const PATIENCE = 10;
/** The slowest pace of a database without changes, as a multiple of its pace. */
const SLOWEST = 4;
const LONGEST_PAUSE = 15 * MINUTE;

/**
 * Return the time that a follower waits before it asks the source again, ms: the configured pace; up to
 * four times as long if nothing was new for a while; and ever longer, up to 15 minutes, if the source
 * fails.
 *
 * @param pace the configured pace, ms
 * @param idle tries in a row that found nothing new
 * @param failures tries in a row that failed
 */
export function followPause(pace: number, idle: number, failures: number): number {
  if (failures > 0)
    return Math.max(pace, Math.min(pace * 2 ** Math.min(failures, 20), LONGEST_PAUSE));
  return pace * Math.min(1 + Math.floor(idle / PATIENCE), SLOWEST);
}
