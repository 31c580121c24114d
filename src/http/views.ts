import type { Backup } from "../catalog/backups.ts";
import { newestBackup, newestDrilled, newestVerified } from "../catalog/backups.ts";
import { followOf } from "../catalog/follows.ts";
import { openLineage } from "../catalog/lineages.ts";
import { lastFinishedRun, newestRuns, type Run } from "../catalog/runs.ts";
import { type DatabaseConfig, isMisconfigured } from "../config/database.ts";
import type { Context } from "../worker/context.ts";
import type { CopyState } from "../model/copy.ts";
import { countRows } from "../format/tables/rows.ts";
import type { Manifest } from "../model/manifest.ts";
import { formatsOf, storedForm } from "../plan/formats.ts";
import { type Freshness, freshness } from "../plan/freshness.ts";
import { nextMoment, startDelay } from "../plan/schedule.ts";
import { isKnownBad, knownBad } from "../model/proof.ts";
import { badgePath } from "./databases/badge-access.ts";
import type { KnownDatabase } from "./configured.ts";

/** The catalog's rows as the API shows them: moments in ISO 8601, sizes in bytes. */

const iso = (moment: number | null | undefined): string | null =>
  moment == null ? null : new Date(moment).toISOString();

export function runView(run: Run) {
  const { scheduledFor, createdAt, startedAt, updatedAt, finishedAt, ...rest } = run;
  return {
    ...rest,
    scheduledFor: iso(scheduledFor),
    createdAt: iso(createdAt)!,
    startedAt: iso(startedAt),
    updatedAt: iso(updatedAt)!,
    finishedAt: iso(finishedAt),
  };
}

export function backupView(backup: Backup) {
  const { manifest, verification, drill, copy } = backup;
  return {
    ...manifestView(manifest),
    verification,
    drill,
    knownBad: knownBad(backup),
    copy: copy && copyView(copy),
  };
}

export function copyView({ state, at, to, error }: CopyState) {
  return { state, at, to, error };
}

export function manifestView(manifest: Manifest) {
  return {
    ...manifest,
    rows: countRows(manifest.tables), // Nightjar 0.1 counted those of SQLite's own tables too
    pin: manifest.pin ?? null,
    formats: [...formatsOf(storedForm(manifest))],
  };
}

/** A backup without its list of tables, for lists. */
export function backupSummary(backup: Backup) {
  const { tables, ...rest } = backupView(backup);
  return { ...rest, tableCount: tables.length };
}

/** A backup that was proven, in short. */
function provenView({ id, manifest, drill }: Backup) {
  return { id, takenAt: manifest.takenAt, recoveryMs: drill?.recoveryMs ?? null };
}

/** Find out the state of a database. */
export async function healthOf(
  context: Context,
  database: DatabaseConfig,
): Promise<{ state: Freshness; newest: Backup | undefined; verified: Backup | undefined }> {
  const { catalog, deps } = context;
  const [newest, verified, finished] = await Promise.all([
    newestBackup(catalog, database.name),
    newestVerified(catalog, database.name),
    lastFinishedRun(catalog, database.name),
  ]);
  const known = {
    newest: newest && { takenAt: newest.takenAt, bad: isKnownBad(newest) },
    verified: verified?.takenAt,
    lastRunFailed: finished?.state === "failed",
    misconfigured: isMisconfigured(database),
  };
  // Its runs start so much later than scheduled.
  const now = deps.now() - delayOf(context, database);
  return { state: freshness(database.schedule, known, now), newest, verified };
}

function delayOf({ config }: Context, { name, schedule }: DatabaseConfig): number {
  const schedules = [...config.databases.values()].map((database) => database.schedule);
  return startDelay(name, schedule, schedules);
}

/** Compute when the next run of a database starts, ms. */
function nextStart(context: Context, database: DatabaseConfig): number | undefined {
  const delay = delayOf(context, database);
  const moment = nextMoment(database.schedule, context.deps.now() - delay);
  return moment === undefined ? undefined : moment + delay;
}

/** Show how a database is followed; null if only its backups pull. */
async function followView({ catalog }: Context, { name, followMs }: DatabaseConfig) {
  if (followMs === undefined) return null;
  const follow = await followOf(catalog, name);
  return {
    seconds: followMs / 1000,
    triedAt: iso(follow?.triedAt),
    failures: follow?.failures ?? 0,
    error: follow?.error ?? null,
  };
}

/** The position of a database's page log; null if it has none. */
async function logView({ catalog }: Context, name: string) {
  const lineage = await openLineage(catalog, name);
  if (lineage === undefined) return null;
  const { id, txid, committedAt, checkedAt } = lineage;
  return { lineage: id, txid, committedAt: iso(committedAt)!, checkedAt: iso(checkedAt)! };
}

/** A database and what is stored of it. What only the configuration tells is null where there is none. */
export async function databaseView(
  context: Context,
  { name, config }: KnownDatabase,
  backups: number,
  origin: string,
) {
  const { catalog } = context;
  const [{ state, newest, verified }, drilled, [lastRun], follow, log] = await Promise.all([
    standingOf(context, name, config),
    newestDrilled(catalog, name),
    newestRuns(catalog, name, 1),
    config === undefined ? null : followView(context, config),
    logView(context, name),
  ]);
  return {
    name,
    url: config?.url ?? null,
    namespace: config?.namespace ?? null,
    schedule: config?.schedule ?? null,
    badge: config?.badge ?? null,
    capture: config?.capture ?? null,
    state,
    mistakes: config?.mistakes ?? [],
    nextScheduledAt:
      config === undefined || isMisconfigured(config) ? null : iso(nextStart(context, config)),
    follow,
    log,
    lastRun: lastRun === undefined ? null : runView(lastRun),
    backups,
    newestBackup: newest === undefined ? null : backupSummary(newest),
    newestVerified: verified === undefined ? null : provenView(verified),
    newestDrilled: drilled === undefined ? null : provenView(drilled),
    badgeUrl: config === undefined ? null : origin + badgePath(context.config, config),
  };
}

/** Find out the state of a database, if it is configured, and its newest backups. */
async function standingOf(
  context: Context,
  name: string,
  config: DatabaseConfig | undefined,
): Promise<{
  state: Freshness | "not configured";
  newest: Backup | undefined;
  verified: Backup | undefined;
}> {
  if (config !== undefined) return healthOf(context, config);
  const [newest, verified] = await Promise.all([
    newestBackup(context.catalog, name),
    newestVerified(context.catalog, name),
  ]);
  return { state: "not configured", newest, verified };
}
