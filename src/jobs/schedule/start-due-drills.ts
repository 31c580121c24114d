import { type Plan, planDatabases, takeDue } from "../../catalog/fleet/databases.ts";
import { type DrillFacts, readDueDrills } from "../../catalog/fleet/due.ts";
import { type DatabaseConfig, isMisconfigured } from "../../config/database.ts";
import { log } from "../../core/log.ts";
import { HOUR, MINUTE } from "../../plan/duration.ts";
import { dueMoment, nextMoment } from "../../plan/schedule.ts";
import type { Context } from "../../worker/context.ts";
import { RETAKEN, TAKEN } from "./minute-limits.ts";

/**
 * Drill the newest verified backup of each database of which a scheduled moment has passed without any drill.
 *
 * @param now ms
 * @returns the errors, after every database has had its turn
 */
export async function startDueDrills(context: Context, now: number): Promise<unknown[]> {
  const { catalog, fleet } = context;
  const due = await takeDue(catalog, "drill", now, now + RETAKEN, TAKEN);
  if (due.length === 0) return [];
  const names = due.map(({ name }) => name);
  const [databases, facts] = await Promise.all([
    fleet.findAll(names),
    readDueDrills(catalog, names),
  ]);
  const errors: unknown[] = [];
  const plans: Plan[] = [];
  for (const { name } of due) {
    const database = databases.get(name);
    // One that is protected no longer leaves the plan with its next run.
    if (database === undefined || isMisconfigured(database)) {
      plans.push({ name, at: now + HOUR });
      continue;
    }
    try {
      plans.push(await drillIfDue(context, database, facts.get(name)!, now));
    } catch (error) {
      log.error("schedule-failed", error, { database: name });
      errors.push(error);
      plans.push({ name, at: now + MINUTE });
    }
  }
  await planDatabases(catalog, "drill", plans);
  return errors;
}

/** Start the drill of a database if it is due. @returns when it is due next; the end of a run is a reason to look sooner */
async function drillIfDue(
  { fleet, proofs }: Context,
  database: DatabaseConfig,
  { lastAt, newestVerified }: DrillFacts,
  now: number,
): Promise<Plan> {
  const { name, drill } = database;
  const delay = fleet.drillDelay(database);
  const last = lastAt === null ? undefined : Date.parse(lastAt);
  const moment = dueMoment(drill, last, now - delay);
  if (moment !== undefined && newestVerified !== undefined)
    await proofs.start(newestVerified, "drill", moment);
  const next = nextMoment(drill, now - delay);
  return { name, at: next === undefined ? now + HOUR : next + delay };
}
