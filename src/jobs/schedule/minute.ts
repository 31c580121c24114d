import { recordBeat } from "../../catalog/watch/beats.ts";
import { log } from "../../core/log.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { deliverMessages } from "../../notify/deliver.ts";
import { beatAlive } from "../../notify/heartbeat.ts";
import { watchFleet } from "../../notify/watch.ts";
import type { Context } from "../../worker/context.ts";
import { startDueRuns } from "./start-due-runs.ts";

/**
 * Do the minute's work: start the runs that are due, look for what is wrong, send what is to be told, and
 * tell the outside service that Nightjar is alive. One that fails does not prevent the others.
 *
 * @param now ms
 * @throws the first error
 */
export async function runMinute(context: Context, now: number): Promise<void> {
  const errors: unknown[] = [];
  for (const [what, work] of [
    ["schedule-failed", () => startDueRuns(context, now)],
    ["watch-failed", () => watchFleet(context, now)],
    ["alerts-not-sent", () => deliverMessages(context, now)],
  ] as const)
    try {
      await work();
    } catch (thrown) {
      log.error(what, thrown);
      errors.push(thrown);
    }
  const error = errors.length === 0 ? null : asNightjarError(errors[0]).report();
  try {
    await recordBeat(context.catalog, "minute", { at: now, error });
  } catch (thrown) {
    log.error("watch-failed", thrown);
    errors.push(thrown);
  }
  const words = `${context.config.databases.size} databases watched`;
  const failed = errors.length > 0;
  await beatAlive(context, failed ? "fail" : "success", error?.code ?? words);
  if (failed) throw errors[0];
}
