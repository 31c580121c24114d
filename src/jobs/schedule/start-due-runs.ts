import { recordOrLog } from "../../audit/record.ts";
import { lastDrill, newestScheduled, newestVerified } from "../../catalog/backups.ts";
import { followOf } from "../../catalog/follows.ts";
import { lastLook, recordLook } from "../../catalog/fleet/databases.ts";
import { activeRuns, failRun, type NewRun, type Run } from "../../catalog/runs.ts";
import { type DatabaseConfig, isMisconfigured, refuseMistakes } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import { beatRun } from "../../notify/heartbeat.ts";
import { MINUTE } from "../../plan/duration.ts";
import { followPause } from "../../plan/follow-pace.ts";
import { dueMoment, startDelay } from "../../plan/schedule.ts";
import { stamp } from "../../plan/stamp.ts";
import { scheduledTier } from "../../plan/tier.ts";
import { noteConfiguration } from "./note-configuration.ts";
import { startRun } from "./start-run.ts";

/** Delay after which a silent follower is woken, ms. */
const SILENCE = 2 * MINUTE;
/** Time without progress after which a run's Workflow is asked for its status, ms. */
const QUIET = 15 * MINUTE;

/**
 * Start a run for every database that is due at `now` (ms): the cron's job. Databases that share a
 * schedule start some minutes apart.
 *
 * @throws the first error of a database without mistakes, after every database has had its turn
 */
export async function startDueRuns(context: Context, now: number): Promise<void> {
  await noteConfiguration(context);
  const errors: unknown[] = [];
  for (const database of context.config.databases.values()) {
    try {
      refuseMistakes(database);
      await startIfDue(context, database, now);
    } catch (error) {
      log.error("schedule-failed", error, { database: database.name });
      // A mistake in the configuration must not fail the cron: that would be reported every minute.
      if (!isMisconfigured(database)) errors.push(error);
    }
  }
  log.debug("schedule-checked", () => ({
    databases: context.config.databases.size,
    failed: errors.length,
  }));
  if (errors.length > 0) throw errors[0];
}

async function startIfDue(context: Context, database: DatabaseConfig, now: number): Promise<void> {
  const { catalog, config } = context;
  const { name, schedule, retention } = database;
  await keepFollowing(context, database, now);
  await drillIfDue(context, database, now);
  const last = await lastLook(catalog, name);
  const delay = startDelay(name, schedule, [...config.databases.values()].map(scheduleOf));
  const moment = dueMoment(schedule, last, now - delay);
  if (moment === undefined) return;

  const id = `${name}-${stamp(moment)}`;
  const others = (await activeRuns(catalog, name)).filter((run) => run.id !== id);
  for (const run of others) {
    const lost = now - run.updatedAt > QUIET && (await reapIfLost(context, run));
    // One run at a time: the moment stays due, and is caught up when the other run has ended.
    if (!lost) return;
  }

  const previous = await newestScheduled(catalog, name);
  const tier = scheduledTier(moment, previous && momentOf(previous), retention);
  const run: NewRun = {
    id,
    database: name,
    trigger: "cron",
    tier,
    name: null,
    labels: {},
    scheduledFor: moment,
  };
  await startRun(context, run);
  await recordLook(catalog, name, Math.max(now - delay, last ?? 0));
}

const scheduleOf = ({ schedule }: DatabaseConfig): string => schedule;
const drillOf = ({ drill }: DatabaseConfig): string => drill;

/** Drill the newest verified backup if a scheduled moment has passed without any drill. */
async function drillIfDue(
  { catalog, config, proofs }: Context,
  { name, drill }: DatabaseConfig,
  now: number,
): Promise<void> {
  const last = await lastDrill(catalog, name);
  const delay = startDelay(name, drill, [...config.databases.values()].map(drillOf));
  const moment = dueMoment(drill, last === null ? undefined : Date.parse(last), now - delay);
  if (moment === undefined) return;
  const newest = await newestVerified(catalog, name);
  if (newest !== undefined) await proofs.start(newest.id, "drill", moment);
}

/** Wake a follower that never started or has fallen silent; others wake themselves. */
async function keepFollowing(
  { catalog, followers }: Context,
  { name, followMs }: DatabaseConfig,
  now: number,
): Promise<void> {
  if (followMs === undefined) return;
  const follow = await followOf(catalog, name);
  const pause = follow && followPause(followMs, follow.idle, follow.failures);
  if (follow === undefined || now > follow.triedAt + pause! + SILENCE) await followers.follow(name);
}

/**
 * Return the scheduled moment that a backup was made for: a late backup counts for the period it was
 * due in.
 */
function momentOf(backup: { takenAt: number; manifest: { scheduledFor: string | null } }): number {
  const { scheduledFor } = backup.manifest;
  return scheduledFor === null ? backup.takenAt : Date.parse(scheduledFor);
}

/** Mark a silent run as failed if its Workflow has ended without recording it; return true if it had. */
async function reapIfLost(context: Context, { id: runId, database }: Run): Promise<boolean> {
  const status = await context.workflows.status(runId);
  if (["queued", "running", "paused", "waiting", "waitingForPause"].includes(status)) return false;
  const error = new NightjarError("RUN_LOST", `The run's Workflow is ${status}.`);
  log.error("run-lost", error, { run: runId });
  await failRun(context.catalog, runId, error.report(), context.deps.now());
  const act = { by: NIGHTJAR, action: "run", database, subject: runId } as const;
  await recordOrLog(context, { ...act, outcome: "failed", detail: { code: error.code } });
  const { databases } = context.config;
  await beatRun(context, databases.get(database), "fail", runId, error.code);
  return true;
}
