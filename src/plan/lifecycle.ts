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

/** The R2 lifecycle rules that delete what the retention policy lets go; ages in seconds. */
export function lifecycleRules(policies: ReadonlyMap<string, Retention>): {
  rules: LifecycleRule[];
} {
  const rules = [...policies].flatMap(([database, retention]) =>
    (Object.entries(retention) as [Tier, number][]).map(([tier, age]): LifecycleRule => ({
      id: `nightjar ${tier} ${database}`,
      enabled: true,
      conditions: { prefix: `${tier}/${database}/` },
      deleteObjectsTransition: { condition: { type: "Age", maxAge: Math.ceil(age / 1000) } },
    })),
  );
  return { rules: [UNFINISHED_UPLOADS, ...rules] };
}
