import type { Context } from "../context.ts";
import { log } from "../log.ts";
import { prune } from "./prune.ts";
import { reconcile } from "./reconcile.ts";

/**
 * The night's work: the retention policy, then bucket against catalog. One that fails does not keep
 * the other from its turn.
 *
 * @param now ms
 * @throws the first error
 */
export async function keepHouse(context: Context, now: number): Promise<void> {
  const errors: unknown[] = [];
  for (const [what, work] of [
    ["prune-failed", () => prune(context, now, false)],
    ["reconcile-failed", () => reconcile(context, now)],
  ] as const)
    try {
      await work();
    } catch (thrown) {
      log.error(what, thrown);
      errors.push(thrown);
    }
  if (errors.length > 0) throw errors[0];
}
