import { DAY } from "./duration.ts";
import type { Retention, Tier } from "./tier.ts";

/** One rule of the file that `wrangler r2 bucket lock set --file` takes. */
export interface LockRule {
  id: string;
  enabled: true;
  prefix: string;
  condition: { type: "Age"; maxAgeSeconds: number };
}

/** How the name of every lock rule of ours begins. */
export const LOCK_NAME = "nightjar lock ";

/** What the locks need to know of a database; ms. */
export interface Locked {
  readonly retention: Retention;
  readonly lockMs: number | undefined;
}

/**
 * The R2 lock rules: for so long not even the owner's token deletes or overwrites a backup. Never longer
 * than its tier is kept, so that no lock holds what the lifecycle and prune have to delete. The page log
 * and pinned copies are not locked: they are removed when they are no longer needed. There are never
 * more of them than lifecycle rules, so that R2's limit on these is theirs too.
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

/** What a person should know of locks that are shorter than asked for, one sentence for each database. */
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
