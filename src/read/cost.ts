import { readUsage, type Usage } from "../catalog/usage.ts";
import { readWatches } from "../catalog/watch/watches.ts";
import type { DatabaseConfig } from "../config/database.ts";
import { type Cost, estimateCost } from "../plan/cost/estimate.ts";
import { DAY } from "../plan/duration.ts";
import type { Context } from "../worker/context.ts";

/** The time that is measured: a month of it is estimated. */
const MEASURED = 30 * DAY;

/**
 * Estimate what each database costs in a month, by what was done in the last 30 days.
 *
 * @returns costs by the names of all databases of which anything is stored
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function costsOf(context: Context): Promise<Map<string, Cost>> {
  const { catalog, fleet, deps } = context;
  const [usage, watches, databases] = await Promise.all([
    readUsage(catalog, deps.now() - MEASURED),
    readWatches(catalog),
    fleet.all(),
  ]);
  const names = new Set([...databases.keys(), ...usage.tiers.map(({ database }) => database)]);
  return new Map(
    [...names].map((name) => {
      const logBytes = watches.get(name)?.logBytes ?? 0;
      return [name, costOf(name, databases.get(name), usage, logBytes)];
    }),
  );
}

function costOf(
  name: string,
  database: DatabaseConfig | undefined,
  { tiers, logs, runs }: Usage,
  logBytes: number,
): Cost {
  const own = tiers.filter((tier) => tier.database === name);
  const log = logs.find((one) => one.database === name);
  const total = (value: (tier: (typeof own)[number]) => number) =>
    own.reduce((sum, tier) => sum + value(tier), 0);
  const followMs = database?.followMs;
  return estimateCost({
    storedByTier: Object.fromEntries(own.map(({ tier, storedBytes }) => [tier, storedBytes])),
    pinnedBytes: total(({ pinnedBytes }) => pinnedBytes),
    logBytes,
    backups: total(({ recent }) => recent),
    backupRawBytes: total(({ recentRawBytes }) => recentRawBytes),
    backupStoredBytes: total(({ recentStoredBytes }) => recentStoredBytes),
    runs: runs.filter((one) => one.database === name).reduce((sum, { recent }) => sum + recent, 0),
    segments: log?.segments ?? 0,
    segmentBytes: log?.bytes ?? 0,
    pulls: followMs === undefined ? 0 : MEASURED / followMs,
    dumpRows: total(({ recentDumpRows }) => recentDumpRows),
    turso: database !== undefined && isTurso(database.url),
  });
}

function isTurso(url: string): boolean {
  return new URL(url).hostname.endsWith(".turso.io");
}
