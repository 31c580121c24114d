import { type Standing, standingsOf } from "../catalog/fleet/standings.ts";
import { type DatabaseConfig, isMisconfigured } from "../config/database.ts";
import { isKnownBad } from "../model/proof.ts";
import { followPause } from "../plan/follow-pace.ts";
import { type Freshness, freshness } from "../plan/freshness.ts";
import { type Objective, recoveryPoint, recoveryTime } from "../plan/objectives.ts";
import { nextMoment } from "../plan/schedule.ts";
import type { Context } from "../worker/context.ts";

/** How a configured database is. Moments in ms. */
export interface Health {
  readonly database: DatabaseConfig;
  readonly state: Freshness;
  readonly standing: Standing;
  /** True if the run that ended last failed, and no backup was confirmed since. */
  readonly lastRunFailed: boolean;
  /** How long after its scheduled moment its run starts, ms. */
  readonly delay: number;
  /** Start of its next run; undefined if there will be none. */
  readonly nextRunAt: number | undefined;
  /** The newest moment that can be restored, as far as is known. */
  readonly restorableAt: number | undefined;
  readonly recoveryPoint: Objective;
  readonly recoveryTime: Objective;
}

/** Find out how a database is. @throws NightjarError `CATALOG_FAILED` */
export async function healthOf(context: Context, database: DatabaseConfig): Promise<Health> {
  return (await fleetHealth(context, [database])).get(database.name)!;
}

/** Databases that the catalog is asked about at once, so that no answer of it is too large. */
const BATCH = 500;

/**
 * Find out how databases are, in one round trip to the catalog for each 500 of them.
 *
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function fleetHealth(
  context: Context,
  databases: readonly DatabaseConfig[],
): Promise<Map<string, Health>> {
  const healths = new Map<string, Health>();
  for (let at = 0; at < databases.length; at += BATCH) {
    const some = databases.slice(at, at + BATCH);
    const names = some.map(({ name }) => name);
    const standings = await standingsOf(context.catalog, names);
    for (const database of some) {
      const { name } = database;
      const delay = context.fleet.runDelay(database);
      healths.set(name, judge(database, standings.get(name)!, delay, context.deps.now()));
    }
  }
  return healths;
}

function judge(database: DatabaseConfig, standing: Standing, delay: number, now: number): Health {
  const { newest, verified, drilled, lastFinished, lineage } = standing;
  const known = {
    newest: newest && { takenAt: newest.currentAt, bad: isKnownBad(newest) },
    verified: verified?.currentAt,
    lastRunFailed:
      lastFinished?.state === "failed" &&
      (newest?.stands?.confirmedAt ?? 0) <= lastFinished.finishedAt!,
    misconfigured: isMisconfigured(database),
  };
  const nextRunAt = known.misconfigured ? undefined : nextStart(database, delay, now);
  const moments = [verified?.currentAt, lineage?.checkedAt].filter((at) => at !== undefined);
  const restorableAt = moments.length === 0 ? undefined : Math.max(...moments);
  const { rpoMs, rtoMs } = database;
  const recoveryMs = drilled?.drill?.recoveryMs;
  const drill = recoveryMs == null ? undefined : { recoveryMs, bytes: drilled!.rawBytes };
  return {
    database,
    standing,
    lastRunFailed: known.lastRunFailed,
    delay,
    // Its runs start so much later than scheduled.
    state: freshness(database.schedule, known, now - delay),
    nextRunAt,
    restorableAt,
    recoveryPoint: recoveryPoint(
      { objective: rpoMs, restorableAt, nextAt: nextState(database, standing, nextRunAt, now) },
      now,
    ),
    recoveryTime: recoveryTime({ objective: rtoMs, drill, bytes: newest?.rawBytes }),
  };
}

function nextStart({ schedule }: DatabaseConfig, delay: number, now: number): number | undefined {
  const moment = nextMoment(schedule, now - delay);
  return moment === undefined ? undefined : moment + delay;
}

/** When there will be a newer state to restore: the end of a pull, of the run under way, or of the next one. */
function nextState(
  { followMs }: DatabaseConfig,
  { follow, lastRun, lastFinished }: Standing,
  nextRunAt: number | undefined,
  now: number,
): number | undefined {
  const usual =
    lastFinished?.state === "done" ? lastFinished.finishedAt! - lastFinished.createdAt : 0;
  const begun =
    lastRun !== undefined && lastRun.finishedAt === null ? lastRun.createdAt : nextRunAt;
  const ends = begun === undefined ? [] : [Math.max(now, begun + usual)];
  if (followMs !== undefined && follow?.failures === 0)
    ends.push(Math.max(now, follow.triedAt + followPause(followMs, follow.idle, 0)));
  return ends.length === 0 ? undefined : Math.min(...ends);
}
