import type { Outcome } from "../model/proof.ts";
import { FOREVER, type Retention, type Tier } from "./tier.ts";

/** The `retain` of a database. */
export interface Policy {
  readonly retention: Retention;
  /** Number of the newest good backups that are kept whatever their age. */
  readonly keepLast: number;
  /** Mistakes in the database's configuration; while there are any, nothing is deleted. */
  readonly mistakes?: readonly unknown[];
  /** True if `retention` may not be what R2's lifecycle rules were made of, because `retain` has a mistake. */
  readonly agesUnknown?: boolean;
  /** True if the database is protected no longer: nothing of it is deleted. */
  readonly gone?: boolean;
}

/** A tier that a backup stands for: it counts as a backup of that tier, taken at the moment. */
export interface Confirmed {
  readonly tier: Tier;
  /** The last scheduled moment at which nothing had changed since it was taken, ms. */
  readonly lastFor: number;
}

/** The facts of a backup that the policy needs. */
export interface Kept {
  readonly id: string;
  readonly database: string;
  readonly tier: Tier;
  /** Time at which it was taken, ms. */
  readonly takenAt: number;
  /** Outcome of the newest verify; null before the first. A backup that is not `corrupt` is good. */
  readonly verification: Outcome | null;
  /** The tiers that it stands for because nothing had changed, each with the last scheduled moment, ms. */
  readonly confirmed?: readonly Confirmed[];
  /** The holder of its pin, which is a copy where no lifecycle rule deletes it; null if it is not pinned. */
  readonly pin: "policy" | "user" | null;
}

export interface Verdict<B extends Kept> {
  readonly backup: B;
  readonly keep: boolean;
  /** The reason, and until when it holds, in words for a person. */
  readonly reason: string;
  /** Time at which the age of its tier ends (ms), if it has one. */
  readonly expiresAt?: number;
  /** True if, as things are, it stays when that age is over. */
  readonly outlives: boolean;
}

/**
 * Judge each backup by the retention policy. Kept are
 *
 * - all backups of a database that is not configured, is protected no longer or is misconfigured, and of a
 *   tier without an age or kept for ever;
 * - backups younger than their tier's age. One that was confirmed because nothing had changed is as young as
 *   the last moment that it stands for, with the age of the tier that a backup would have had then;
 * - whatever their age: backups pinned by hand, the newest good and the newest verified backup of each
 *   tier, and the newest `keepLast` good ones of the database.
 *
 * A corrupt backup is never the newest of anything: it stays, as evidence, for its age.
 *
 * @param backups complete backups, in any order
 * @param policies by the database's name
 * @param now ms
 */
export function judge<B extends Kept>(
  backups: readonly B[],
  policies: ReadonlyMap<string, Policy>,
  now: number,
): Verdict<B>[] {
  const merits = meritsOf(backups, policies);
  return backups.map((backup) => {
    const policy = policies.get(backup.database);
    if (policy === undefined)
      return always(backup, "its database is not configured: nothing of it is deleted");
    const { tier } = backup;
    const age = policy.retention[tier];
    if (backup.pin === "user")
      return {
        ...always(backup, "pinned by hand: kept until it is unpinned"),
        ...(age === undefined || age === FOREVER ? {} : { expiresAt: backup.takenAt + age }),
      };
    if (age === undefined)
      return always(backup, `no age is set for ${tier} backups: none is deleted`);
    if (age === FOREVER) return always(backup, `${tier} backups are kept forever`);
    if (policy.gone === true)
      return {
        ...always(backup, "its database is protected no longer: nothing of it is deleted"),
        expiresAt: backup.takenAt + age,
      };
    const stands = standsUntil(backup, policy.retention);
    const verdict = byAge(backup, backup.takenAt + age, stands, merits.get(backup) ?? [], now);
    if ((policy.mistakes ?? []).length === 0 || verdict.keep) return verdict;
    const reason = "the configuration of its database is wrong: nothing of it is deleted";
    return { ...verdict, keep: true, reason };
  });
}

function always<B extends Kept>(backup: B, reason: string): Verdict<B> {
  return { backup, keep: true, reason, outlives: true };
}

/** Return until when a backup stands for a tier because nothing had changed, ms; -Infinity for one that does not. */
function standsUntil({ confirmed = [] }: Kept, retention: Retention): number {
  return Math.max(
    ...confirmed.map(({ tier, lastFor }) => lastFor + (retention[tier] ?? FOREVER)),
    -Infinity,
  );
}

/** Return the last scheduled moment for which a backup stands, ms. */
function lastConfirmed({ confirmed = [] }: Kept): number {
  return Math.max(...confirmed.map(({ lastFor }) => lastFor));
}

function byAge<B extends Kept>(
  backup: B,
  expiresAt: number,
  stands: number,
  merits: readonly string[],
  now: number,
): Verdict<B> {
  const { tier } = backup;
  const young = now < expiresAt;
  const outlives = merits.length > 0 || (stands > expiresAt && now < stands);
  const merit =
    now < stands
      ? `as the state of ${dateOf(lastConfirmed(backup))}, when nothing had changed`
      : `as ${merits.join(" and ")} until a newer one takes its place`;
  const corrupt = backup.verification === "corrupt" ? "found corrupt; " : "";
  const end = dateOf(expiresAt);
  const said = { backup, expiresAt, outlives };
  if (young && outlives)
    return {
      ...said,
      keep: true,
      reason: `in the age of ${tier} backups until ${end}, then ${merit}`,
    };
  if (young)
    return { ...said, keep: true, reason: `${corrupt}in the age of ${tier} backups until ${end}` };
  if (merits.length > 0 || now < stands)
    return {
      ...said,
      keep: true,
      reason: `past the age of ${tier} backups (${end}), kept ${merit}`,
    };
  return { ...said, keep: false, reason: `${corrupt}past the age of ${tier} backups (${end})` };
}

/** Return, in words, the reasons to keep each backup whatever its age. */
function meritsOf<B extends Kept>(
  backups: readonly B[],
  policies: ReadonlyMap<string, Policy>,
): Map<B, string[]> {
  const merits = new Map<B, string[]>();
  const seen = new Set<string>();
  const good = new Map<string, number>();
  const first = (what: string): boolean => !seen.has(what) && seen.add(what).has(what);
  for (const { backup, tier } of newestFirst(backups)) {
    const { database, verification } = backup;
    const policy = policies.get(database);
    if (policy === undefined || verification === "corrupt") continue;
    const own = merits.get(backup) ?? [];
    const isCounted = merits.has(backup);
    merits.set(backup, own);
    if (first(`good ${tier} ${database}`)) own.push(`the newest good ${tier} backup`);
    if (verification === "verified" && first(`verified ${tier} ${database}`))
      own.push(`the newest verified ${tier} backup`);
    if (isCounted) continue;
    const newer = good.get(database) ?? 0;
    good.set(database, newer + 1);
    if (newer < policy.keepLast) own.push(`one of the newest ${policy.keepLast}`);
  }
  return merits;
}

/** Return backups by what they stand for, once for each tier, the newest moment first. */
function newestFirst<B extends Kept>(backups: readonly B[]): { backup: B; tier: Tier }[] {
  return backups
    .flatMap((backup) => [
      { backup, tier: backup.tier, at: backup.takenAt },
      ...(backup.confirmed ?? []).map(({ tier, lastFor }) => ({ backup, tier, at: lastFor })),
    ])
    .toSorted((a, b) => b.at - a.at || (a.backup.id < b.backup.id ? 1 : -1));
}

/** Format a day for people, like `2026-11-21`. */
function dateOf(moment: number): string {
  return new Date(moment).toISOString().slice(0, 10);
}
