import type { Retention, Tier } from "./tier.ts";

/** What the policy needs to know of a backup. */
export interface Kept {
  readonly id: string;
  readonly database: string;
  readonly tier: Tier;
  /** When it was taken, ms. */
  readonly takenAt: number;
}

export interface Verdict<B extends Kept> {
  readonly backup: B;
  readonly keep: boolean;
  /** Why, in words for a person. */
  readonly reason: string;
  /** When the policy lets it go (ms), where it does. */
  readonly expiresAt?: number;
}

/**
 * What the retention policy says of each backup. It keeps everything that its tier's age allows, the
 * newest backup of each database whatever its age, and all of a database that is not configured.
 *
 * @param backups complete backups, in any order
 * @param policies the retention by database name
 * @param now ms
 */
export function judge<B extends Kept>(
  backups: readonly B[],
  policies: ReadonlyMap<string, Retention>,
  now: number,
): Verdict<B>[] {
  const newest = new Map<string, B>();
  for (const backup of backups) {
    const other = newest.get(backup.database);
    if (other === undefined || backup.takenAt > other.takenAt) newest.set(backup.database, backup);
  }
  return backups.map((backup) => {
    const policy = policies.get(backup.database);
    if (policy === undefined)
      return { backup, keep: true, reason: "its database is not configured" };
    const age = policy[backup.tier];
    if (age === undefined)
      return { backup, keep: true, reason: `no age is set for ${backup.tier}` };
    const expiresAt = backup.takenAt + age;
    if (newest.get(backup.database) === backup)
      return { backup, keep: true, reason: "the newest backup of its database", expiresAt };
    return now < expiresAt
      ? { backup, keep: true, reason: `${backup.tier} backups are kept longer`, expiresAt }
      : { backup, keep: false, reason: `past the age of ${backup.tier} backups`, expiresAt };
  });
}
