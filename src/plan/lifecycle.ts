import { DAY } from "./duration.ts";
import type { Retention, Tier } from "./tier.ts";

/** One rule of the file that `wrangler r2 bucket lifecycle set --file` takes. */
export interface LifecycleRule {
  id: string;
  enabled: true;
  conditions: { prefix: string };
  deleteObjectsTransition?: { condition: { type: "Age"; maxAge: number } };
  abortMultipartUploadsTransition?: { condition: { type: "Age"; maxAge: number } };
}

/** R2's own default for every bucket, which goes when a bucket's rules are set. */
const UNFINISHED_UPLOADS: LifecycleRule = {
  id: "nightjar unfinished uploads",
  enabled: true,
  conditions: { prefix: "" },
  abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: (7 * DAY) / 1000 } },
};

/** R2 allows this many lifecycle rules on one bucket (Cloudflare's documentation, R2 limits). */
export const MAX_LIFECYCLE_RULES = 1000;

/**
 * How long R2 keeps a file of the page log, in retentions of the log: what is needed at its end stands
 * on a base that is renewed once it is one retention old.
 */
const LOG_FILES_KEPT = 3;

/** What the lifecycle needs to know of a database; ms. */
export interface Kept {
  readonly retention: Retention;
  readonly logMs: number;
}

/** The R2 lifecycle rules that delete what the retention policy lets go; ages in seconds. */
export function lifecycleRules(databases: ReadonlyMap<string, Kept>): { rules: LifecycleRule[] } {
  const rules = [...databases].flatMap(([database, { retention, logMs }]) => [
    ...(Object.entries(retention) as [Tier, number][]).map(([tier, age]) =>
      deletion(tier, database, age),
    ),
    deletion("log", database, logMs * LOG_FILES_KEPT),
  ]);
  return { rules: [UNFINISHED_UPLOADS, ...rules] };
}

function deletion(what: Tier | "log", database: string, age: number): LifecycleRule {
  return {
    id: `nightjar ${what} ${database}`,
    enabled: true,
    conditions: { prefix: `${what}/${database}/` },
    deleteObjectsTransition: { condition: { type: "Age", maxAge: Math.ceil(age / 1000) } },
  };
}
