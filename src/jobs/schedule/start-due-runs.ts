import {
  type DueDatabase,
  enterDatabases,
  type Plan,
  planAnew,
  planDatabases,
  removeDatabases,
  takeDue,
} from "../../catalog/fleet/databases.ts";
import { countActive, type DueFacts, readDue } from "../../catalog/fleet/due.ts";
import type { NewRun } from "../../catalog/runs.ts";
import { type DatabaseConfig, isMisconfigured, refuseMistakes } from "../../config/database.ts";
import { log } from "../../core/log.ts";
import { HOUR, MINUTE } from "../../plan/duration.ts";
import { dueMoment, nextMoment } from "../../plan/schedule.ts";
import { stamp } from "../../plan/stamp.ts";
import { scheduledTier } from "../../plan/tier.ts";
import type { Context } from "../../worker/context.ts";
import { type Confirmation, findConfirmation, recordConfirmations } from "./confirm.ts";
import { eachAtMost } from "./each-at-most.ts";
import { noteConfiguration } from "./note-configuration.ts";
import { RETAKEN, TAKEN } from "./minute-limits.ts";
import { reapLost } from "./reap-lost.ts";
import { startDueDrills } from "./start-due-drills.ts";
import { startRun } from "./start-run.ts";
import { forgetBeat } from "../../catalog/watch/beats.ts";

/** Servers that are asked at once: a Worker has six connections (Cloudflare's documentation, Workers limits). */
const AT_ONCE = 5;
/** Pause before a database with mistakes is looked at again, ms: a secret may be there then. */
const MISTAKEN = 5 * MINUTE;

/** What a look at a database has led to. */
interface Looked {
  readonly plan: Plan;
  readonly confirmation?: Confirmation | undefined;
}

/**
 * Start a run for every database that is due at `now` (ms), and a drill: the cron's job. A database that has
 * not changed since its newest backup gets no run: that backup is confirmed. Runs beyond the number that may
 * be at work at once wait for the next minute.
 *
 * @throws the first error of a database without mistakes, after every database has had its turn
 */
export async function startDueRuns(context: Context, now: number): Promise<void> {
  const { catalog, config } = context;
  await noteConfiguration(context, async () => {
    await planAnew(catalog);
    await forgetBeat(catalog, "discovery"); // what is protected of Turso's list may be other databases now
  });
  await enterDatabases(catalog, [...config.databases.keys()]);
  await reapLost(context, now);
  const errors = [...(await startRuns(context, now)), ...(await startDueDrills(context, now))];
  if (errors.length > 0) throw errors[0];
}

async function startRuns(context: Context, now: number): Promise<unknown[]> {
  const { catalog, config, fleet } = context;
  const due = await takeDue(catalog, "run", now, now + RETAKEN, TAKEN);
  if (due.length === 0) return [];
  const names = due.map(({ name }) => name);
  const [databases, facts, active] = await Promise.all([
    fleet.findAll(names),
    readDue(catalog, names),
    countActive(catalog),
  ]);
  const unprotected = names.filter((name) => !databases.has(name));
  if (unprotected.length > 0) await removeDatabases(catalog, unprotected);
  const look = new Look(context, now, config.runsAtOnce - active);
  const errors: unknown[] = [];
  const confirmations: Confirmation[] = [];
  const plans: Plan[] = [];
  await eachAtMost(AT_ONCE, due, async (one) => {
    const database = databases.get(one.name);
    if (database === undefined) return;
    try {
      refuseMistakes(database);
      const { plan, confirmation } = await look.at(database, one, facts.get(one.name)!);
      if (confirmation !== undefined) confirmations.push(confirmation);
      plans.push(plan);
    } catch (error) {
      log.error("schedule-failed", error, { database: one.name });
      // A mistake in the configuration must not fail the cron: that would be reported every minute.
      const isMistake = isMisconfigured(database);
      if (!isMistake) errors.push(error);
      plans.push({ name: one.name, at: now + (isMistake ? MISTAKEN : MINUTE) });
    }
  });
  await recordConfirmations(context, confirmations);
  await planDatabases(catalog, "run", plans);
  log.debug("schedule-checked", () => ({ databases: due.length, failed: errors.length }));
  return errors;
}

/** One minute's look at the databases that are due. */
class Look {
  readonly #context: Context;
  readonly #now: number;
  /** Runs that may still be started. */
  #free: number;

  constructor(context: Context, now: number, free: number) {
    this.#context = context;
    this.#now = now;
    this.#free = free;
  }

  /** Confirm a database's newest backup, or start a run, or leave it to a later minute. */
  async at(database: DatabaseConfig, due: DueDatabase, facts: DueFacts): Promise<Looked> {
    const { name, schedule, retention } = database;
    const delay = this.#context.fleet.runDelay(database);
    const scheduled = this.#now - delay;
    const moment = dueMoment(schedule, due.lastLookAt, scheduled);
    const next = nextMoment(schedule, scheduled);
    // A schedule whose last date has passed is looked at again some time.
    const plan = { name, at: next === undefined ? this.#now + HOUR : next + delay };
    if (moment === undefined) return { plan };
    const later = { plan: { name, at: this.#now + MINUTE } };
    const id = `${name}-${stamp(moment)}`;
    // One run at a time: the moment stays due, and is caught up when the other run has ended.
    if (facts.active.some((run) => run.id !== id)) return later;

    const tier = scheduledTier(moment, facts.scheduledFor, retention);
    const looked = { ...plan, lookedAt: Math.max(scheduled, due.lastLookAt ?? 0) };
    const isBegun = facts.active.length > 0;
    const confirmation = isBegun
      ? undefined
      : await findConfirmation(this.#context, database, facts, { tier, moment });
    if (confirmation !== undefined) return { plan: looked, confirmation };
    if (!isBegun && this.#free <= 0) return later;
    this.#free -= 1;
    await startRun(this.#context, runOf(id, name, tier, moment));
    return { plan: looked };
  }
}

function runOf(id: string, database: string, tier: NewRun["tier"], moment: number): NewRun {
  const facts = { name: null, labels: {}, scheduledFor: moment };
  return { id, database, trigger: "cron", tier, ...facts };
}
