import { DAY } from "./duration.ts";
import { FOREVER, type Retention, type Tier, TIERS } from "./tier.ts";

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
/** Rules at most for databases that are found: one a tier, and one for their page logs. */
export const COMMON_RULES = TIERS.length + 1;

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
 * kept long to Infrequent Access. Databases that are named have rules of their own. For those that are found,
 * however many they are, there is one rule a tier, of the longest age that any database has there: prune
 * deletes what is kept for less.
 *
 * @param databases those that are named, by their names
 * @param found the ages that databases may have that are found; none if none is looked for
 */
export function lifecycleRules(
  databases: ReadonlyMap<string, Ages>,
  found: readonly Ages[] = [],
): { rules: LifecycleRule[] } {
  const named = [...databases].flatMap(([database, ages]) => rulesOf(ages, database));
  const common = found.length === 0 ? [] : rulesOf(longestAges([...databases.values(), ...found]));
  return { rules: [UNFINISHED_UPLOADS, ...named, ...common] };
}

function rulesOf({ retention, logMs }: Ages, database?: string): LifecycleRule[] {
  return [
    ...(Object.entries(retention) as [Tier, number][]).map(([tier, age]) => ({
      ...ruleOf(tier, database),
      ...(age === FOREVER ? {} : { deleteObjectsTransition: after(lifecycleAge(age)) }),
      ...(age < COLD_AFTER + COLD_AT_LEAST ? {} : { storageClassTransitions: [COLD] }),
    })),
    {
      ...ruleOf("log", database),
      deleteObjectsTransition: after(logMs * LOG_FILES_KEPT),
    },
  ];
}

/**
 * Return the longest age of each tier, and of the log. A tier for which one database has no age has none:
 * nothing of it may be deleted there.
 *
 * @param all at least one
 */
export function longestAges(all: readonly Ages[]): Ages {
  const retention: Retention = {};
  for (const tier of TIERS) {
    const ages = all.map((one) => one.retention[tier]);
    if (ages.every((age) => age !== undefined)) retention[tier] = Math.max(...ages);
  }
  return { retention, logMs: Math.max(...all.map(({ logMs }) => logMs)) };
}

const COLD = { ...after(COLD_AFTER), storageClass: "InfrequentAccess" } as const;

function ruleOf(what: Tier | "log", database?: string) {
  return {
    id: `nightjar ${what}${database === undefined ? "" : ` ${database}`}`,
    enabled: true,
    conditions: { prefix: database === undefined ? `${what}/` : `${what}/${database}/` },
  } as const;
}

function after(age: number): After {
  return { condition: { type: "Age", maxAge: Math.ceil(age / 1000) } };
}
