import { isLate } from "./schedule.ts";

/** `none`: no backup yet · `failed`: the last run failed · `late`: overdue · `fresh`: neither. */
export type Freshness = "none" | "failed" | "late" | "fresh";

/** The state of a database, from its newest backup and its last finished run. */
export function freshness(
  schedule: string,
  newestTakenAt: number | undefined,
  lastRunFailed: boolean,
  now: number,
): Freshness {
  if (lastRunFailed) return "failed";
  if (newestTakenAt === undefined) return "none";
  return isLate(schedule, newestTakenAt, now) ? "late" : "fresh";
}
