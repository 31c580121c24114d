import { lastRefreshes } from "../catalog/refreshes.ts";
import {
  enterWatches,
  measureLogs,
  readWatched,
  recordComparison,
  type Watch,
  type WatchedBackups,
} from "../catalog/watch/watches.ts";
import { isMisconfigured } from "../config/database.ts";
import { log } from "../core/log.ts";
import { claimsOf } from "../core/token-claims.ts";
import type { Comparison, WatchFacts } from "../plan/alerts/problems.ts";
import { HOUR } from "../plan/duration.ts";
import { fleetHealth, type Health } from "../read/health.ts";
import type { Context } from "../worker/context.ts";
import { compareNewest } from "./compare.ts";

/** Interval at which the bytes of a page log are added up, ms. */
const MEASURE = HOUR;

/**
 * Read what is known of some databases; those that are not protected are left out.
 *
 * @returns the facts, and the names of the databases of which nothing could be read
 * @throws NightjarError `CATALOG_FAILED` if nothing can be read of any
 */
export async function readFacts(
  context: Context,
  wanted: readonly string[],
  now: number,
): Promise<{ facts: WatchFacts[]; unknown: Set<string> }> {
  const databases = [...(await context.fleet.findAll(wanted)).values()];
  if (databases.length === 0) return { facts: [], unknown: new Set() };
  const names = databases.map(({ name }) => name);
  const refreshed = databases.filter(({ refresh }) => refresh !== undefined);
  const [healths, watched, refreshes] = await Promise.all([
    fleetHealth(context, databases),
    readWatched(context.catalog, names),
    lastRefreshes(
      context.catalog,
      refreshed.map(({ name }) => name),
    ),
  ]);
  const { watches } = watched;
  const unseen = names.filter((name) => !watches.has(name));
  if (unseen.length > 0) await enterWatches(context.catalog, unseen, now);
  const unmeasured = names.filter(
    (name) =>
      healths.get(name)!.standing.lineage !== undefined &&
      now - (watches.get(name)?.logMeasuredAt ?? 0) >= MEASURE,
  );
  const measured =
    unmeasured.length === 0 ? undefined : await measureLogs(context.catalog, unmeasured, now);
  const facts: WatchFacts[] = [];
  const unknown = new Set<string>();
  for (const name of names)
    try {
      const logBytes = measured?.get(name) ?? watches.get(name)?.logBytes ?? 0;
      const known = await factsOf(context, healths.get(name)!, watched, logBytes, now);
      facts.push({ ...known, refresh: refreshes.get(name)?.last });
    } catch (thrown) {
      log.error("not-watched", thrown, { database: name });
      unknown.add(name);
    }
  return { facts, unknown };
}

async function factsOf(
  context: Context,
  { database, standing, lastRunFailed, delay, recoveryPoint, recoveryTime }: Health,
  { watches, bad, pinned }: WatchedBackups,
  logBytes: number,
  now: number,
): Promise<Omit<WatchFacts, "refresh">> {
  const { name, schedule, alerts, mistakes, keepLast, followMs } = database;
  const { newest, verified, lastFinished, follow, lineage } = standing;
  const watch = watches.get(name);
  return {
    ...{ name, schedule, delay, limits: alerts, mistakes, keepLast, recoveryPoint, recoveryTime },
    firstSeenAt: watch?.firstSeenAt ?? now,
    newest: newest && { id: newest.id, takenAt: newest.currentAt },
    verifiedAt: verified?.currentAt,
    lastFinished: lastFinished && {
      id: lastFinished.id,
      failed: lastRunFailed,
      error: lastFinished.error,
    },
    bad: bad.get(name) ?? [],
    comparison: newest && (await comparisonOf(context, name, newest.id, watch)),
    copyError: newest?.copy?.state === "failed" ? (newest.copy.error?.message ?? "") : undefined,
    pinned: pinned.get(name) ?? 0,
    follow:
      followMs === undefined
        ? undefined
        : { pace: followMs, checkedAt: lineage?.checkedAt, error: follow?.error?.message },
    logBytes,
    tokenExpiresAt: isMisconfigured(database)
      ? undefined
      : claimsOf(context.config.token(database)).expiresAt,
  };
}

/** The comparison of the newest backup, made once. */
async function comparisonOf(
  context: Context,
  name: string,
  newest: string,
  watch: Watch | undefined,
): Promise<Comparison | undefined> {
  if (watch?.comparedBackup === newest) return watch.comparison ?? undefined;
  const comparison = await compareNewest(context, name);
  await recordComparison(context.catalog, name, newest, comparison);
  return comparison;
}
