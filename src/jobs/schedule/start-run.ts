import { enterRun, failRun, type NewRun } from "../../catalog/runs.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";

/**
 * Start a run: enter it and create its Workflow instance. The run's id is the instance's id, so that
 * starting the same run twice, at once or after a crash in between, makes one.
 *
 * @throws NightjarError `CATALOG_FAILED`, or `INTERNAL` if Cloudflare refuses the instance
 */
export async function startRun(context: Context, run: NewRun): Promise<void> {
  const { catalog, workflows, deps } = context;
  const entered = await enterRun(catalog, run, deps.now());
  if (!entered && (await workflows.status(run.id)) !== "missing") return;
  try {
    await workflows.create(run.id);
  } catch (thrown) {
    if ((await workflows.status(run.id)) !== "missing") return; // another start was faster
    throw thrown;
  }
  log.info("run-started", { run: run.id, database: run.database, trigger: run.trigger });
}

/** Start a run that is not started again later: if that fails, the run is marked as failed. */
export async function startRunOnce(context: Context, run: NewRun): Promise<void> {
  try {
    await startRun(context, run);
  } catch (thrown) {
    const error = asNightjarError(thrown);
    await failRun(context.catalog, run.id, error.report(), context.deps.now());
    throw error;
  }
}
