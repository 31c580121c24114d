import { recordOrLog } from "../../audit/record.ts";
import { quietRuns } from "../../catalog/fleet/due.ts";
import { failRun, type Run } from "../../catalog/runs.ts";
import { log } from "../../core/log.ts";
import { NightjarError } from "../../errors/errors.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import { beatRun } from "../../notify/heartbeat.ts";
import { MINUTE } from "../../plan/duration.ts";
import type { Context } from "../../worker/context.ts";
import { isAtWork } from "../../worker/workflows.ts";

/** Time without progress after which a run's Workflow is asked for its status, ms. */
const QUIET = 15 * MINUTE;
/** Workflows that one minute asks at most. */
const ASKED = 20;

/**
 * Mark the runs as failed whose Workflows have ended without recording it: they would be waited for.
 *
 * @param now ms
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function reapLost(context: Context, now: number): Promise<void> {
  for (const run of await quietRuns(context.catalog, now - QUIET, ASKED))
    await reapIfLost(context, run);
}

async function reapIfLost(context: Context, { id: runId, database }: Run): Promise<void> {
  const status = await context.workflows.status(runId);
  if (isAtWork(status)) return;
  const error = new NightjarError("RUN_LOST", `The run's Workflow is ${status}.`);
  log.error("run-lost", error, { run: runId });
  await failRun(context.catalog, runId, error.report(), context.deps.now());
  const act = { by: NIGHTJAR, action: "run", database, subject: runId } as const;
  await recordOrLog(context, { ...act, outcome: "failed", detail: { code: error.code } });
  await beatRun(context, context.config.databases.get(database), "fail", runId, error.code);
}
