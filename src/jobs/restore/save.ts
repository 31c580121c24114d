import { findRun } from "../../catalog/runs.ts";
import type { Context } from "../../worker/context.ts";
import { randomId } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { stamp } from "../../plan/stamp.ts";
import { startRunOnce } from "../schedule/start-run.ts";

/** Interval at which the run's state is read, ms. */
const LOOK_EVERY = 500;

/**
 * Back up a database before it is overwritten, by a run like any other, and wait for it.
 *
 * @returns the backup's id
 * @throws NightjarError `OVERWRITE_UNSAVED` if the run fails; as `startRunOnce`
 */
export async function saveFirst(
  context: Context,
  database: string,
  why: string,
  onLook: (bytes: number) => Promise<void>,
): Promise<string> {
  const { catalog, deps } = context;
  const id = `${database}-${stamp(deps.now())}-${randomId(deps)}`;
  await startRunOnce(context, {
    id,
    database,
    trigger: "api",
    tier: "manual",
    name: why.slice(0, 100),
    labels: {},
    scheduledFor: null,
  });
  for (;;) {
    const run = await findRun(catalog, id);
    if (run?.state === "done" && run.backupId !== null) return run.backupId;
    if (run === undefined || run.finishedAt !== null)
      throw new NightjarError(
        "OVERWRITE_UNSAVED",
        `The backup of ${database} before overwriting it has failed: ${run?.error?.message ?? "its run is lost"}`,
      );
    await onLook(run.rawBytes);
    await deps.sleep(LOOK_EVERY);
  }
}
