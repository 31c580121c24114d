import { DAY, HOUR } from "./duration.ts";

/** The retention classes; also the first part of every key. */
export const TIERS = [
  "hourly",
  "daily",
  "weekly",
  "monthly",
  "yearly",
  "manual",
  "deploy",
  "milestone",
  "dev",
] as const;
export type Tier = (typeof TIERS)[number];

/** The tiers that a request may name; the others belong to the schedule. */
export const REQUESTED_TIERS = ["manual", "deploy", "milestone", "dev"] as const;

const SCHEDULED_TIERS: readonly Tier[] = ["hourly", "daily", "weekly", "monthly", "yearly"];

/** The age of a tier whose backups are never deleted. */
export const FOREVER = Infinity;

/** The time for which each tier is kept, in milliseconds or `FOREVER`. A tier that is absent is not used. */
export type Retention = Partial<Record<Tier, number>>;

/** The policy for every tier that a database's `retain` does not name. */
export const DEFAULT_RETENTION = {
  daily: 30 * DAY,
  weekly: 90 * DAY,
  monthly: 12 * 31 * DAY,
  manual: 30 * DAY,
  deploy: 30 * DAY,
  milestone: 366 * DAY,
  dev: 30 * DAY,
} as const satisfies Retention;

/** Functions that return the start (UTC) of the day, week (Sunday), month or year of a moment. */
const PERIOD_START: Record<"daily" | "weekly" | "monthly" | "yearly", (moment: number) => number> =
  {
    daily: (moment) => Math.floor(moment / DAY) * DAY,
    weekly: (moment) => Math.floor(moment / DAY) * DAY - new Date(moment).getUTCDay() * 24 * HOUR,
    monthly: (moment) => {
      const date = new Date(moment);
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
    },
    yearly: (moment) => Date.UTC(new Date(moment).getUTCFullYear(), 0, 1),
  };

/**
 * Return the tier of a scheduled backup, grandfather–father–son: the first backup of a year, a month or
 * a week is that tier's, the others are `daily`. With `retain.hourly` set, only the first of a day is
 * `daily` and the others `hourly`; `yearly` is used only if `retain.yearly` is set.
 *
 * @param moment the scheduled moment (ms)
 * @param previous the moment of the newest complete scheduled backup before it (ms)
 */
export function scheduledTier(
  moment: number,
  previous: number | undefined,
  retention: Retention,
): Tier {
  for (const tier of ["yearly", "monthly", "weekly"] as const) {
    if (retention[tier] === undefined) continue;
    if (previous === undefined || previous < PERIOD_START[tier](moment)) return tier;
  }
  if (retention.hourly === undefined) return "daily";
  return previous === undefined || previous < PERIOD_START.daily(moment) ? "daily" : "hourly";
}

/** Return true if a tier is given by the schedule. */
export function isScheduledTier(tier: Tier): boolean {
  return SCHEDULED_TIERS.includes(tier);
}
