import type { Backup } from "../catalog/backups.ts";
import { newestBackup, newestDrilled, newestVerified } from "../catalog/backups.ts";
import { followOf } from "../catalog/follows.ts";
import { openLineage } from "../catalog/lineages.ts";
import { lastFinishedRun, newestRuns, type Run } from "../catalog/runs.ts";
import type { DatabaseConfig } from "../config.ts";
import type { Context } from "../context.ts";
import type { CopyState } from "../copy.ts";
import { countRows } from "../format/table-rows.ts";
import type { Manifest } from "../manifest.ts";
import { formatsOf } from "../plan/formats.ts";
import { type Freshness, freshness } from "../plan/freshness.ts";
import { nextMoment } from "../plan/schedule.ts";
import { isKnownBad } from "../proof.ts";
import { badgePath } from "./badge-access.ts";

/** How the catalog's rows look outside: moments in ISO 8601, sizes in bytes. */

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
  return { ...manifestView(manifest), verification, drill, copy: copy && copyView(copy) };
}

export function copyView({ state, at, to, error }: CopyState) {
  return { state, at, to, error };
}

export function manifestView(manifest: Manifest) {
  return {
    ...manifest,
    rows: countRows(manifest.tables), // Nightjar 0.1 counted those of SQLite's own tables too
    pin: manifest.pin ?? null,
    formats: [...formatsOf(manifest.kind, manifest.encryption !== undefined)],
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

/** What is known of a database's health. */
export async function healthOf(
  context: Context,
  database: DatabaseConfig,
): Promise<{ state: Freshness; newest: Backup | undefined; proven: Backup | undefined }> {
  const { catalog, deps } = context;
  const [newest, proven, finished] = await Promise.all([
    newestBackup(catalog, database.name),
    newestVerified(catalog, database.name),
    lastFinishedRun(catalog, database.name),
  ]);
  const known = {
    newest: newest && { takenAt: newest.takenAt, bad: isKnownBad(newest) },
    proven: proven?.takenAt,
    lastRunFailed: finished?.state === "failed",
  };
  return { state: freshness(database.schedule, known, deps.now()), newest, proven };
}

/** How a database is followed; null where only its backups pull. */
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

/** Where the page log of a database stands; null where there is none. */
async function logView({ catalog }: Context, { name }: DatabaseConfig) {
  const lineage = await openLineage(catalog, name);
  if (lineage === undefined) return null;
  const { id, txid, committedAt, checkedAt } = lineage;
  return { lineage: id, txid, committedAt: iso(committedAt)!, checkedAt: iso(checkedAt)! };
}

export async function databaseView(context: Context, database: DatabaseConfig, origin: string) {
  const { name, url, namespace, schedule, badge, capture } = database;
  const [{ state, newest, proven }, drilled, [lastRun], follow, log] = await Promise.all([
    healthOf(context, database),
    newestDrilled(context.catalog, name),
    newestRuns(context.catalog, name, 1),
    followView(context, database),
    logView(context, database),
  ]);
  return {
    name,
    url,
    namespace: namespace ?? null,
    schedule,
    badge,
    capture,
    state,
    nextScheduledAt: iso(nextMoment(schedule, context.deps.now())),
    follow,
    log,
    lastRun: lastRun === undefined ? null : runView(lastRun),
    newestBackup: newest === undefined ? null : backupSummary(newest),
    newestVerified: proven === undefined ? null : provenView(proven),
    newestDrilled: drilled === undefined ? null : provenView(drilled),
    badgeUrl: origin + badgePath(context.config, database),
  };
}
