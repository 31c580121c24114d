import { isLate } from "./schedule.ts";

/**
 * The state of a database:
 *
 * - `misconfigured`: its configuration is wrong, and nothing is done for it
 * - `none`: no backup yet
 * - `corrupt`: the newest backup is not what was captured, or does not restore
 * - `failed`: the last run failed
 * - `late`: overdue
 * - `unverified`: the newest backup was not read back yet, and the last one that was is overdue
 * - `fresh`: a backup that is known to be good is as new as it should be
 */
export const STATES = [
  "misconfigured",
  "none",
  "corrupt",
  "failed",
  "late",
  "unverified",
  "fresh",
] as const;
export type Freshness = (typeof STATES)[number];

/** The known facts of a database's backups. */
export interface Known {
  /** The newest backup: the time at which it was taken or last confirmed (ms), and true if a proof found it bad. */
  readonly newest: { readonly takenAt: number; readonly bad: boolean } | undefined;
  /** Time at which the newest backup that is proven good was taken or last confirmed, ms. */
  readonly verified: number | undefined;
  readonly lastRunFailed: boolean;
  /** True if its entry or a secret of it is wrong. */
  readonly misconfigured: boolean;
}

/** Return the state of a database at `now` (ms). */
export function freshness(schedule: string, known: Known, now: number): Freshness {
  const { newest, verified, lastRunFailed, misconfigured } = known;
  if (misconfigured) return "misconfigured";
  if (newest?.bad === true) return "corrupt";
  if (lastRunFailed) return "failed";
  if (newest === undefined) return "none";
  if (isLate(schedule, newest.takenAt, now)) return "late";
  return verified === undefined || isLate(schedule, verified, now) ? "unverified" : "fresh";
}
