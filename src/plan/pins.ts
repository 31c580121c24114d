import { DAY, HOUR } from "./duration.ts";
import { lifecycleAge } from "./lifecycle.ts";
import { judge, type Kept, type Policy, type Verdict } from "./retention.ts";

/**
 * Two nightly prunes see a backup that is due, at the least: one may fail. Half a day more, because
 * prunes are not exactly a day apart, and because R2 has a clock of its own.
 */
const LEAST_MARGIN = 2 * DAY + 12 * HOUR;
/** Six nights in a row may fail. More would copy what a newer backup is about to replace. */
const MOST_MARGIN = 7 * DAY;

/**
 * How long before R2's lifecycle takes a backup it is copied, ms: a quarter of its tier's age, within
 * two and a half days and a week. A tier that works has its newest backup far from its age's end, and copies
 * nothing.
 */
export function pinMargin(age: number): number {
  return Math.min(Math.max(age / 4, LEAST_MARGIN), MOST_MARGIN);
}

/**
 * The backups that R2's lifecycle is about to take although the policy keeps them past their age: they
 * must be copied to where it does not reach. R2 counts from when an object was stored, which is never
 * before it was taken.
 *
 * @param now ms
 */
export function pinsDue<B extends Kept>(
  backups: readonly B[],
  policies: ReadonlyMap<string, Policy>,
  now: number,
): B[] {
  return judge(backups, policies, now)
    .filter((verdict) => verdict.backup.pin === null && isEndangered(verdict, policies, now))
    .map(({ backup }) => backup);
}

/**
 * The copies that the policy no longer needs, although it keeps the backup: its own key is safe again,
 * because its age has grown or somebody's pin was taken off.
 *
 * @param now ms
 */
export function pinsOver<B extends Kept>(
  backups: readonly B[],
  policies: ReadonlyMap<string, Policy>,
  now: number,
): B[] {
  return judge(backups, policies, now)
    .filter(
      (verdict) =>
        verdict.backup.pin === "policy" &&
        verdict.keep &&
        policies.has(verdict.backup.database) &&
        !isPastOrNear(verdict, policies, now),
    )
    .map(({ backup }) => backup);
}

/** Whether the lifecycle is about to take what the policy keeps. */
function isEndangered<B extends Kept>(
  verdict: Verdict<B>,
  policies: ReadonlyMap<string, Policy>,
  now: number,
): boolean {
  return verdict.outlives && isPastOrNear(verdict, policies, now);
}

/** Whether the lifecycle takes a backup within the margin, or has taken it already. */
function isPastOrNear<B extends Kept>(
  { backup, expiresAt }: Verdict<B>,
  policies: ReadonlyMap<string, Policy>,
  now: number,
): boolean {
  if (expiresAt === undefined) return false;
  const age = policies.get(backup.database)!.retention[backup.tier]!;
  return now >= backup.takenAt + lifecycleAge(age) - pinMargin(age);
}
