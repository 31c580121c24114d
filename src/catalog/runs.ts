import { and, desc, eq, inArray, lt } from "drizzle-orm";
import { type ErrorReport, NightjarError } from "../errors/errors.ts";
import { comesAfter, type Place } from "./newest-first.ts";
import { type Catalog, query } from "./open.ts";
import { ACTIVE_STATES, type RunState } from "../model/run-state.ts";
import { runs } from "./schema.ts";
import { noticeOf } from "./fleet/databases.ts";

export type Run = typeof runs.$inferSelect;
export type NewRun = Pick<
  Run,
  "id" | "database" | "trigger" | "tier" | "name" | "labels" | "scheduledFor"
>;

/** Enter a run as queued. Return false if there is a run of this id already. */
export function enterRun(catalog: Catalog, run: NewRun, now: number): Promise<boolean> {
  return query(`entering run ${run.id}`, async () => {
    const entered = await catalog
      .insert(runs)
      .values({ ...run, state: "queued", createdAt: now, updatedAt: now })
      .onConflictDoNothing()
      .returning({ id: runs.id });
    return entered.length === 1;
  });
}

export function findRun(catalog: Catalog, id: string): Promise<Run | undefined> {
  return query(`reading run ${id}`, () => catalog.select().from(runs).where(eq(runs.id, id)).get());
}

/** Return a run that must exist. @throws NightjarError `RUN_NOT_FOUND`, `CATALOG_FAILED` */
export async function existingRun(catalog: Catalog, id: string): Promise<Run> {
  const run = await findRun(catalog, id);
  if (run !== undefined) return run;
  throw noSuchRun(id);
}

export function noSuchRun(id: string): NightjarError {
  return new NightjarError("RUN_NOT_FOUND", `There is no run ${id.slice(0, 100)}.`);
}

/** Which runs are wanted. */
export interface RunFilter {
  /** Undefined for all. */
  readonly databases?: readonly string[] | undefined;
  readonly state?: RunState | undefined;
}

/** List runs, newest first. */
export function listRuns(
  catalog: Catalog,
  { databases, state }: RunFilter,
  limit: number,
  after?: Place,
): Promise<Run[]> {
  const wanted = and(
    databases && inArray(runs.database, [...databases]),
    state && eq(runs.state, state),
    comesAfter(runs.createdAt, runs.id, after),
  );
  return query("listing the runs", () =>
    catalog
      .select()
      .from(runs)
      .where(wanted)
      .orderBy(desc(runs.createdAt), desc(runs.id))
      .limit(limit),
  );
}

type Change = Partial<
  Pick<Run, "state" | "attempt" | "rawBytes" | "storedBytes" | "error" | "backupId" | "startedAt">
>;

/**
 * Change a run that has not ended.
 *
 * @param attempt change it only while this is the run's attempt: an abandoned attempt writes nothing
 *   more
 */
export function updateRun(
  catalog: Catalog,
  id: string,
  change: Change,
  now: number,
  attempt?: number,
): Promise<unknown> {
  return query(`updating run ${id}`, () =>
    catalog
      .update(runs)
      .set({ ...change, updatedAt: now })
      .where(
        and(
          eq(runs.id, id),
          inArray(runs.state, [...ACTIVE_STATES]),
          attempt === undefined ? undefined : eq(runs.attempt, attempt),
        ),
      )
      .run(),
  );
}

/** Mark a run as done: it has made its backup. */
export function finishRun(
  catalog: Catalog,
  id: string,
  backupId: string,
  now: number,
): Promise<unknown> {
  return query(`finishing run ${id}`, () =>
    catalog.batch([
      catalog
        .update(runs)
        .set({ state: "done", backupId, error: null, updatedAt: now, finishedAt: now })
        .where(eq(runs.id, id)),
      noticeOf(catalog, id),
    ]),
  );
}

/** Mark a run as failed for good; a run that is done stays done. */
export function failRun(
  catalog: Catalog,
  id: string,
  error: ErrorReport,
  now: number,
): Promise<unknown> {
  return query(`failing run ${id}`, () =>
    catalog.batch([
      catalog
        .update(runs)
        .set({ state: "failed", error, updatedAt: now, finishedAt: now })
        .where(and(eq(runs.id, id), inArray(runs.state, [...ACTIVE_STATES]))),
      noticeOf(catalog, id),
    ]),
  );
}

/**
 * Forget failed runs that were created before `before` (ms); runs that are done are kept with their
 * backups.
 */
export function forgetFailedRuns(catalog: Catalog, before: number): Promise<unknown> {
  return query("forgetting old runs", () =>
    catalog
      .delete(runs)
      .where(and(eq(runs.state, "failed"), lt(runs.createdAt, before)))
      .run(),
  );
}
