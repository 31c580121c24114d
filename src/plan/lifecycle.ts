import { DAY } from "./duration.ts";
import { FOREVER, type Retention, type Tier } from "./tier.ts";

interface After {
  condition: { type: "Age"; maxAge: number };
}

/** One rule of the file that `wrangler r2 bucket lifecycle set --file` takes; ages in seconds. */
export interface LifecycleRule {
  id: string;
  enabled: true;
  conditions: { prefix: string };
  deleteObjectsTransition?: After;
  storageClassTransitions?: (After & { storageClass: "InfrequentAccess" })[];
  abortMultipartUploadsTransition?: After;
}

/** R2's own default for every bucket, which is dropped when a bucket's rules are set. */
const UNFINISHED_UPLOADS: LifecycleRule = {
  id: "nightjar unfinished uploads",
  enabled: true,
  conditions: { prefix: "" },
  abortMultipartUploadsTransition: after(7 * DAY),
};

/** R2 allows this many lifecycle rules on one bucket (Cloudflare's documentation, R2 limits). */
export const MAX_LIFECYCLE_RULES = 1000;

/**
 * Age at which R2 deletes a file of the page log, in retentions of the log: a moment at the end of a
 * retention needs a base, which is renewed once it is one retention old.
 */
const LOG_FILES_KEPT = 3;

/**
 * Age below which R2 deletes nothing, ms: two nightly prunes must have seen a backup, so that one that
 * must outlive its age can be pinned. Prune itself applies shorter ages.
 */
const SHORTEST = 4 * DAY;

/** Age at which backups move to Infrequent Access, ms: younger ones are read back, compared and queried. */
const COLD_AFTER = 30 * DAY;
/** Time for which Infrequent Access charges at least, ms: a shorter stay there does not pay. */
const COLD_AT_LEAST = 30 * DAY;

/** The facts of a database that the lifecycle depends on; ms. */
export interface Ages {
  readonly retention: Retention;
  readonly logMs: number;
}

/**
 * Return the age at which R2 deletes the backups of a tier that is kept for `age`, ms since they were
 * stored.
 */
export function lifecycleAge(age: number): number {
  return Math.max(age, SHORTEST);
}

/**
 * Return the R2 lifecycle rules that delete what the retention policy does not keep, and move what is
 * kept long to Infrequent Access.
 */
export function lifecycleRules(databases: ReadonlyMap<string, Ages>): { rules: LifecycleRule[] } {
  const rules = [...databases].flatMap(([database, { retention, logMs }]) => [
    ...(Object.entries(retention) as [Tier, number][]).map(([tier, age]) => ({
      ...ruleOf(tier, database),
      ...(age === FOREVER ? {} : { deleteObjectsTransition: after(lifecycleAge(age)) }),
      ...(age < COLD_AFTER + COLD_AT_LEAST ? {} : { storageClassTransitions: [COLD] }),
    })),
    {
      ...ruleOf("log", database),
      deleteObjectsTransition: after(logMs * LOG_FILES_KEPT),
    },
  ]);
  return { rules: [UNFINISHED_UPLOADS, ...rules] };
}

const COLD = { ...after(COLD_AFTER), storageClass: "InfrequentAccess" } as const;

function ruleOf(what: Tier | "log", database: string) {
  return {
    id: `nightjar ${what} ${database}`,
    enabled: true,
    conditions: { prefix: `${what}/${database}/` },
  } as const;
}

function after(age: number): After {
  return { condition: { type: "Age", maxAge: Math.ceil(age / 1000) } };
}
