import { recordOrLog } from "../../audit/record.ts";
import { recordBeat } from "../../catalog/watch/beats.ts";
import { forgetKeys } from "../../catalog/access/repeats.ts";
import { forgetIncidents } from "../../catalog/watch/deliveries.ts";
import { keepAuditHead } from "../../audit/verify.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { DAY } from "../../plan/duration.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import { doEach } from "./do-each.ts";
import { syncCopies } from "../second-copy/sync-copies.ts";
import { pruneEach } from "../retention/prune.ts";
import { reconcile } from "../recovery/reconcile.ts";

/** Time for which incidents are kept after they were closed, ms. */
const KEPT = 400 * DAY;

/**
 * Do the night's work: apply the retention policy, compare bucket and catalog, store the end of the audit,
 * sync the second copies, and forget old incidents and keys of requests. One that fails does not prevent the others.
 *
 * @param now ms
 * @throws the first error
 */
export async function runNightly(context: Context, now: number): Promise<void> {
  const errors = await doEach([
    ["prune-failed", () => pruneAndRecord(context, now)],
    ["reconcile-failed", () => reconcile(context, now)],
    ["audit-head-failed", () => keepAuditHead(context, now)],
    ["copies-failed", () => syncCopies(context, now)],
    ["alerts-not-sent", () => forgetIncidents(context.catalog, now - KEPT)],
    ["key-not-released", () => forgetKeys(context.catalog, now - 2 * DAY)],
  ]);
  const error = errors.length === 0 ? null : asNightjarError(errors[0]).report();
  await recordBeat(context.catalog, "night", { at: now, error });
  if (errors.length > 0) throw errors[0];
}

/** Apply the retention policy. A night that deletes nothing, and fails at nothing, is not recorded. */
async function pruneAndRecord(context: Context, now: number): Promise<void> {
  const act = { by: NIGHTJAR, action: "prune" } as const;
  try {
    let [removed, failed] = [0, 0];
    await pruneEach(context, now, false, (report) => {
      removed += report.removed;
      failed += report.failures.length;
    });
    if (removed === 0 && failed === 0) return;
    const outcome = failed === 0 ? "done" : "failed";
    const detail = { removed, failures: failed };
    await recordOrLog(context, { ...act, outcome, detail });
  } catch (thrown) {
    const { code } = asNightjarError(thrown);
    await recordOrLog(context, { ...act, outcome: "failed", detail: { code } });
    throw thrown;
  }
}
