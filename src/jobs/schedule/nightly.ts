import type { Context } from "../../worker/context.ts";
import { log } from "../../core/log.ts";
import { syncCopies } from "../second-copy/sync-copies.ts";
import { prune } from "../retention/prune.ts";
import { reconcile } from "../recovery/reconcile.ts";

/**
 * Do the night's work: apply the retention policy, compare bucket and catalog, then sync the second
 * copies. One that fails does not prevent the others.
 *
 * @param now ms
 * @throws the first error
 */
export async function runNightly(context: Context, now: number): Promise<void> {
  const errors: unknown[] = [];
  for (const [what, work] of [
    ["prune-failed", () => prune(context, now, false)],
    ["reconcile-failed", () => reconcile(context, now)],
    ["copies-failed", () => syncCopies(context, now)],
  ] as const)
    try {
      await work();
    } catch (thrown) {
      log.error(what, thrown);
      errors.push(thrown);
    }
  if (errors.length > 0) throw errors[0];
}
