import type { Backup } from "../catalog/backups.ts";
import { manifestsOf } from "../catalog/backups.ts";
import type { Follow } from "../catalog/follows.ts";
import type { Lineage } from "../catalog/lineages.ts";
import { lastRefreshes, type LastRefreshes, type RefreshRow } from "../catalog/refreshes.ts";
import type { Run } from "../catalog/runs.ts";
import { type BackupFacts, standingsOf } from "../catalog/fleet/standings.ts";
import type { DatabaseConfig } from "../config/database.ts";
import type { Context } from "../worker/context.ts";
import type { CopyState } from "../model/copy.ts";
import { countRows } from "../format/tables/rows.ts";
import type { Manifest } from "../model/manifest.ts";
import { formatsOf, storedForm } from "../plan/formats.ts";
import type { Objective } from "../plan/objectives.ts";
import { fleetHealth } from "../read/health.ts";
import { knownBad } from "../model/proof.ts";
import { badgePath } from "./databases/badge-access.ts";
import type { KnownDatabase } from "./configured.ts";
import { iso } from "../core/iso.ts";
import type { ConfirmedBackup } from "../catalog/fleet/confirmations.ts";

/** The catalog's rows as the API shows them: moments in ISO 8601, sizes in bytes. */

export function runView(run: Run) {
  const { scheduledFor, createdAt, startedAt, updatedAt, finishedAt, ...rest } = run;
  return {
    ...rest,
    scheduledFor: iso(scheduledFor),
    createdAt: iso(createdAt),
    startedAt: iso(startedAt),
    updatedAt: iso(updatedAt),
    finishedAt: iso(finishedAt),
  };
}

type Shown = Pick<Backup, "manifest" | "verification" | "drill" | "copy">;
type Stands = Pick<ConfirmedBackup, "times" | "confirmedAt">;

/** @param stands the scheduled moments that it stands for; undefined for none */
export function backupView(backup: Shown, stands: Stands | undefined) {
  const { manifest, verification, drill, copy } = backup;
  return {
    ...manifestView(manifest),
    verification,
    drill,
    knownBad: knownBad(backup),
    copy: copy && copyView(copy),
    confirmed: stands === undefined ? null : confirmedView(stands),
  };
}

function confirmedView({ times, confirmedAt }: Stands) {
  return { times, at: iso(confirmedAt) };
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
export function backupSummary(backup: Shown, stands: Stands | undefined) {
  const { tables, ...rest } = backupView(backup, stands);
  return { ...rest, tableCount: tables.length };
}

/** A backup that was proven, in short. */
function provenView({ id, takenAt, drill }: BackupFacts) {
  return { id, takenAt: iso(takenAt), recoveryMs: drill?.recoveryMs ?? null };
}

/** Show how a database is followed; null if only its backups pull. */
function followView({ followMs }: DatabaseConfig, follow: Follow | undefined) {
  if (followMs === undefined) return null;
  return {
    seconds: followMs / 1000,
    triedAt: iso(follow?.triedAt),
    failures: follow?.failures ?? 0,
    error: follow?.error ?? null,
  };
}

/** Show the position of a database's page log. */
function logView({ id, txid, committedAt, checkedAt }: Lineage) {
  return { lineage: id, txid, committedAt: iso(committedAt), checkedAt: iso(checkedAt) };
}

export function refreshView(refresh: RefreshRow) {
  const { database: _, url: __, namespace: ___, createdAt, startedAt, endedAt, ...rest } = refresh;
  return {
    ...rest,
    takenAt: iso(refresh.takenAt),
    asOf: iso(refresh.asOf),
    createdAt: iso(createdAt),
    startedAt: iso(startedAt),
    endedAt: iso(endedAt),
  };
}

/** Show the refresh of a database, as it is configured and as it went; null if it has none. */
export function refreshesView({ refresh }: DatabaseConfig, found: LastRefreshes | undefined) {
  if (refresh === undefined) return null;
  const view = (row: RefreshRow | undefined) => (row === undefined ? null : refreshView(row));
  return { ...refresh, last: view(found?.last), lastGood: view(found?.lastGood) };
}

/** Show a recovery point or time, in whole seconds. */
export function objectiveView({ objective, measured, predicted, state }: Objective) {
  const seconds = (ms: number | undefined) => (ms === undefined ? null : Math.ceil(ms / 1000));
  return {
    state,
    objectiveSeconds: seconds(objective),
    measuredSeconds: seconds(measured),
    predictedSeconds: seconds(predicted),
  };
}

/**
 * Show databases and what is stored of them. What only the configuration tells is null where there is none.
 *
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function databaseViews(
  context: Context,
  databases: readonly KnownDatabase[],
  origin: string,
) {
  const { catalog } = context;
  const configs = databases.flatMap(({ config }) => config ?? []);
  const others = databases.filter(({ config }) => config === undefined).map(({ name }) => name);
  const refreshed = configs.filter(({ refresh }) => refresh !== undefined);
  const [healths, standings, refreshes] = await Promise.all([
    fleetHealth(context, configs),
    standingsOf(catalog, others),
    lastRefreshes(
      catalog,
      refreshed.map(({ name }) => name),
    ),
  ]);
  const standingOf = (name: string) => healths.get(name)?.standing ?? standings.get(name)!;
  const newestIds = databases.flatMap(({ name }) => standingOf(name).newest?.id ?? []);
  const manifests = await manifestsOf(catalog, newestIds);
  return databases.map(({ name, config }) => {
    const health = healths.get(name);
    const { backups, newest, verified, drilled, lastRun, follow, lineage } = standingOf(name);
    const manifest = newest && manifests.get(newest.id);
    return {
      name,
      origin: originOf(context, config),
      group: config?.group ?? null,
      url: config?.url ?? null,
      namespace: config?.namespace ?? null,
      schedule: config?.schedule ?? null,
      badge: config?.badge ?? null,
      capture: config?.capture ?? null,
      state: health?.state ?? ("not configured" as const),
      mistakes: config?.mistakes ?? [],
      nextScheduledAt: iso(health?.nextRunAt),
      recoveryPoint: health === undefined ? null : objectiveView(health.recoveryPoint),
      recoveryTime: health === undefined ? null : objectiveView(health.recoveryTime),
      follow: config === undefined ? null : followView(config, follow),
      log: lineage === undefined ? null : logView(lineage),
      lastRun: lastRun === undefined ? null : runView(lastRun),
      backups,
      // A backup that was pruned meanwhile has no manifest any more.
      newestBackup:
        newest && manifest ? backupSummary({ ...newest, manifest }, newest.stands) : null,
      newestVerified: verified === undefined ? null : provenView(verified),
      newestDrilled: drilled === undefined ? null : provenView(drilled),
      refresh: config === undefined ? null : refreshesView(config, refreshes.get(name)),
      badgeUrl: config === undefined ? null : origin + badgePath(context.config, config),
    };
  });
}

/** The section of the configuration that protects a database. */
function originOf({ config: { databases } }: Context, config: DatabaseConfig | undefined) {
  if (config === undefined) return null;
  return databases.has(config.name) ? ("DATABASES" as const) : ("TURSO" as const);
}

/** Answers of the API, as the pages show them. */
export type BackupAnswer = Omit<
  ReturnType<typeof backupSummary>,
  "encryption" | "method" | "snapshot"
>;
export type DatabaseAnswer = Omit<
  Awaited<ReturnType<typeof databaseViews>>[number],
  "newestBackup"
> & { readonly newestBackup: BackupAnswer | null };
export type RefreshAnswer = NonNullable<ReturnType<typeof refreshesView>>;
export type ObjectiveAnswer = ReturnType<typeof objectiveView>;
export type RunAnswer = ReturnType<typeof runView>;
