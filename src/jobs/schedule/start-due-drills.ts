import { lastDrill, newestVerified } from "../../catalog/backups.ts";
import { type Plan, planDatabases, takeDue } from "../../catalog/fleet/databases.ts";
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
  const databases = await fleet.findAll(due.map(({ name }) => name));
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
      plans.push(await drillIfDue(context, database, now));
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
async function drillIfDue(context: Context, database: DatabaseConfig, now: number): Promise<Plan> {
  const { catalog, fleet, proofs } = context;
  const { name, drill } = database;
  const last = await lastDrill(catalog, name);
  const delay = fleet.drillDelay(database);
  const moment = dueMoment(drill, last === null ? undefined : Date.parse(last), now - delay);
  const newest = moment === undefined ? undefined : await newestVerified(catalog, name);
  if (newest !== undefined) await proofs.start(newest.id, "drill", moment!);
  const next = nextMoment(drill, now - delay);
  return { name, at: next === undefined ? now + HOUR : next + delay };
}
