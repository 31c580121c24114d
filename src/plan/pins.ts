import { DAY, HOUR } from "./duration.ts";
import { lifecycleAge } from "./lifecycle.ts";
import { judge, type Kept, type Policy, type Verdict } from "./retention.ts";

/**
 * Least margin: at least two nightly prunes see a backup that is due, as one may fail. Half a day more,
 * because prunes are not exactly a day apart, and because R2 has a clock of its own.
 */
const LEAST_MARGIN = 2 * DAY + 12 * HOUR;
/**
 * Most margin: six nights in a row may fail. A larger one would copy what a newer backup is about to
 * replace.
 */
const MOST_MARGIN = 7 * DAY;

/**
 * Return how long before R2's lifecycle deletes a backup it is copied, ms: a quarter of its tier's age,
 * but at least two and a half days and at most a week. In a tier that works, the newest backup is far
 * from the end of its age, and nothing is copied.
 */
export function pinMargin(age: number): number {
  return Math.min(Math.max(age / 4, LEAST_MARGIN), MOST_MARGIN);
}

/**
 * Return the backups that R2's lifecycle is about to delete although the policy keeps them past their
 * age: they must be copied to where no lifecycle rule deletes them. R2 counts from when an object was
 * stored, which is never before it was taken. If a database's ages are unknown, any of its backups may be
 * about to be deleted.
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
 * Return the backups whose copies the policy no longer needs, although it keeps the backups: their own
 * keys are safe again, because the age of their tier has grown or a pin by hand was removed.
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

/** Return true if the lifecycle is about to delete what the policy keeps. */
function isEndangered<B extends Kept>(
  verdict: Verdict<B>,
  policies: ReadonlyMap<string, Policy>,
  now: number,
): boolean {
  if (!verdict.outlives || verdict.expiresAt === undefined) return false;
  const agesUnknown = policies.get(verdict.backup.database)?.agesUnknown === true;
  return agesUnknown || isPastOrNear(verdict, policies, now);
}

/** Return true if the lifecycle deletes a backup within the margin, or has deleted it already. */
function isPastOrNear<B extends Kept>(
  { backup, expiresAt }: Verdict<B>,
  policies: ReadonlyMap<string, Policy>,
  now: number,
): boolean {
  if (expiresAt === undefined) return false;
  const age = policies.get(backup.database)!.retention[backup.tier]!;
  return now >= backup.takenAt + lifecycleAge(age) - pinMargin(age);
}
