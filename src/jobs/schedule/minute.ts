import { recordBeat } from "../../catalog/watch/beats.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { deliverMessages } from "../../notify/deliver.ts";
import { beatAlive } from "../../notify/heartbeat.ts";
import { watchFleet } from "../../notify/watch.ts";
import type { Context } from "../../worker/context.ts";
import { doEach } from "./do-each.ts";
import { WATCHED } from "./minute-limits.ts";
import { startDueRuns } from "./start-due-runs.ts";
import { wakeFollowers } from "./wake-followers.ts";
import { takeToWatch } from "../../catalog/fleet/databases.ts";
import { discoverIfDue } from "../discovery/discover.ts";

/**
 * Do the minute's work: start the runs that are due, look for what is wrong, send what is to be told, and
 * tell the outside service that Nightjar is alive. One that fails does not prevent the others.
 *
 * @param now ms
 * @throws the first error
 */
export async function runMinute(context: Context, now: number): Promise<void> {
  let watched: readonly string[] = [];
  const choose = async () => {
    watched = await takeToWatch(context.catalog, now, WATCHED);
  };
  const errors = await doEach([
    ["schedule-failed", () => startDueRuns(context, now)],
    ["watch-failed", choose],
    ["schedule-failed", () => wakeFollowers(context, watched, now)],
    ["watch-failed", () => watchFleet(context, watched, now)],
    ["alerts-not-sent", () => deliverMessages(context, now)],
    ["discovery-failed", () => discoverIfDue(context, now)],
  ]);
  const error = errors.length === 0 ? null : asNightjarError(errors[0]).report();
  const beat = { at: now, error };
  errors.push(
    ...(await doEach([["watch-failed", () => recordBeat(context.catalog, "minute", beat)]])),
  );
  if (errors.length === 0) {
    await beatAlive(context, "success", `${watched.length} databases watched`);
    return;
  }
  await beatAlive(context, "fail", asNightjarError(errors[0]).code);
  throw errors[0];
}
