import type { Pin } from "../../src/model/manifest.ts";
import type { Tier } from "../../src/plan/tier.ts";

/** A second definition of the retention policy, without a thought for speed. */
export type Ages = Partial<Record<Tier, number>>;
export interface NaivePolicy {
  ages: Ages;
  keepLast: number;
}

/** Everything that the test itself knows about a backup. */
export interface Known {
  id: string;
  database: string;
  tier: Tier;
  takenAt: number;
  key: string;
  verification: string | null;
  pin: Pin["by"] | null;
}

const isNewer = (a: Known, b: Known) =>
  a.takenAt > b.takenAt || (a.takenAt === b.takenAt && a.id > b.id);

/** Decide whether a backup is kept whatever its age: a second definition. */
export function hasMerit(backup: Known, all: readonly Known[], { keepLast }: NaivePolicy): boolean {
  if (backup.verification === "corrupt") return false;
  const good = all.filter(
    (other) => other.database === backup.database && other.verification !== "corrupt",
  );
  const newer = good.filter((other) => isNewer(other, backup));
  const sameTier = newer.filter(({ tier }) => tier === backup.tier);
  if (sameTier.length === 0) return true;
  if (newer.length < keepLast) return true;
  return (
    backup.verification === "verified" &&
    !sameTier.some(({ verification }) => verification === "verified")
  );
}

export function isKept(
  backup: Known,
  all: readonly Known[],
  policies: ReadonlyMap<string, NaivePolicy>,
  now: number,
): boolean {
  const policy = policies.get(backup.database);
  if (policy === undefined || backup.pin === "user") return true;
  const age = policy.ages[backup.tier];
  if (age === undefined || now - backup.takenAt < age) return true;
  return hasMerit(backup, all, policy);
}
