import { DAY } from "./duration.ts";
import type { Retention, Tier } from "./tier.ts";

/** One rule of the file that `wrangler r2 bucket lock set --file` takes. */
export interface LockRule {
  id: string;
  enabled: true;
  prefix: string;
  condition: { type: "Age"; maxAgeSeconds: number };
}

/** Prefix of the name of every lock rule of Nightjar. */
export const LOCK_NAME = "nightjar lock ";

/** The facts of a database that its locks depend on; ms. */
export interface Locked {
  readonly retention: Retention;
  readonly lockMs: number | undefined;
}

/**
 * Return the R2 lock rules: while one holds, not even the owner's token deletes or overwrites a backup.
 * A lock is never longer than its tier is kept, so that it does not hold what the lifecycle and prune
 * have to delete. The page log and pinned copies are not locked: they are removed when they are no
 * longer needed. There are never more lock rules than lifecycle rules, so that R2's limit on those
 * covers them too.
 */
export function lockRules(databases: ReadonlyMap<string, Locked>): { rules: LockRule[] } {
  const rules = [...databases].flatMap(([database, { retention, lockMs }]) =>
    lockMs === undefined
      ? []
      : (Object.entries(retention) as [Tier, number][]).map(([tier, age]) =>
          ruleOf(tier, database, Math.min(lockMs, age)),
        ),
  );
  return { rules };
}

/** Report locks that are shorter than asked for, in one sentence for each database. */
export function lockNotes(databases: ReadonlyMap<string, Locked>): string[] {
  return [...databases].flatMap(([database, { retention, lockMs }]) => {
    if (lockMs === undefined) return [];
    const shorter = (Object.entries(retention) as [Tier, number][])
      .filter(([, age]) => age < lockMs)
      .map(([tier, age]) => `${tier} (${age / DAY}d)`);
    if (shorter.length === 0) return [];
    return [
      `${database}: \`lock\` is ${lockMs / DAY}d, longer than these tiers are kept: ${shorter.join(", ")}. Their backups are locked for as long as they are kept, and no longer.`,
    ];
  });
}

function ruleOf(tier: Tier, database: string, age: number): LockRule {
  return {
    id: `${LOCK_NAME}${tier} ${database}`,
    enabled: true,
    prefix: `${tier}/${database}/`,
    condition: { type: "Age", maxAgeSeconds: Math.floor(age / 1000) },
  };
}
