import type { Prunable } from "../../catalog/backups.ts";
import { forgetExpiredLinks } from "../../catalog/access/links.ts";
import { storedAfter } from "../../catalog/fleet/stored.ts";
import { forgetFailedRuns } from "../../catalog/runs.ts";
import { isMisconfigured } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, type ErrorReport, NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import { DAY } from "../../plan/duration.ts";
import type { Verdict } from "../../plan/retention.ts";
import { PINNED } from "../../store/keys.ts";
import { listKeys } from "../../store/list.ts";
import { pruneLog } from "../log/prune.ts";
import { pinBackup } from "./pin.ts";
import { planPrune, type PrunePlan } from "./prune-plan.ts";
import { removeAll, removeOriginals } from "./prune-remove.ts";
import { releasePins } from "./release-pins.ts";
import { databasesWithLogs, endLineage, logsOf } from "../../catalog/lineages.ts";

/** Databases that are pruned at once: the rows of their backups are held in memory. */
const AT_ONCE = 200;
/** Time for which failed runs are remembered, ms. */
const REMEMBER_FAILURES = 90 * DAY;

/** The failure of a prune for one backup; the next prune tries again. */
export interface PruneFailure {
  readonly backup: Prunable;
  readonly error: ErrorReport;
}

/** The results of a prune of some databases, or of a dry run. */
export interface PruneReport extends PrunePlan {
  readonly failures: PruneFailure[];
  /** Number of backups that were removed. */
  readonly removed: number;
}

/**
 * Apply the retention policy to the bucket and the catalog, page logs included, to some databases at a time.
 * Only what the catalog lists is ever deleted. A backup that the policy keeps and R2's lifecycle is about to
 * delete is copied first; if that fails, no backup of the same database is deleted this time.
 *
 * @param now ms
 * @param dryRun plan only
 * @param take gets what was done for each part of the databases
 * @throws NightjarError `CATALOG_FAILED` or `STORE_FAILED`
 */
export async function pruneEach(
  context: Context,
  now: number,
  dryRun: boolean,
  take: (report: PruneReport) => void,
): Promise<void> {
  const { catalog, bucket } = context;
  const copies = new Set(await listKeys(bucket, PINNED));
  const done = { kept: 0, removed: 0, failures: 0 };
  for (let after = ""; ;) {
    const names = await storedAfter(catalog, after, AT_ONCE);
    const report = dryRun
      ? { ...(await planPrune(context, names, copies, now, new Set())), failures: [], removed: 0 }
      : await pruneSome(context, names, copies, now);
    done.removed += report.removed;
    done.kept += report.verdicts.length - report.removed;
    done.failures += report.failures.length;
    take(report);
    if (names.length < AT_ONCE) break;
    after = names.at(-1)!;
  }
  if (dryRun) return;
  log.info("backups-pruned", done);
  await pruneLogs(context, now);
  await forgetFailedRuns(catalog, now - REMEMBER_FAILURES);
  await forgetExpiredLinks(catalog, now);
}

/** Do the same, and return everything at once. */
export async function prune(context: Context, now: number, dryRun: boolean): Promise<PruneReport> {
  const reports: PruneReport[] = [];
  await pruneEach(context, now, dryRun, (report) => reports.push(report));
  return {
    verdicts: reports.flatMap(({ verdicts }) => verdicts),
    pins: reports.flatMap(({ pins }) => pins),
    releases: reports.flatMap(({ releases }) => releases),
    failures: reports.flatMap(({ failures }) => failures),
    removed: reports.reduce((sum, { removed }) => sum + removed, 0),
  };
}

async function pruneSome(
  context: Context,
  names: readonly string[],
  copies: ReadonlySet<string>,
  now: number,
): Promise<PruneReport> {
  const { plan, failures } = await pinInTime(context, names, copies, now);
  const { verdicts, pins, releases } = plan;
  const blocked = new Set(failures.map(({ backup }) => backup.database));
  const free = ({ database }: Prunable) => !blocked.has(database);

  const doomed = verdicts.filter(({ keep }) => !keep).map(({ backup }) => backup);
  const locked = await removeAll(context, doomed.filter(free));
  for (const backup of locked) failures.push(failure(backup, lockedError(backup)));
  await removeOriginals(context, copiedAndPast(verdicts, pins, now).filter(free));
  await releasePins(context, releases.filter(free), now);
  const removed = doomed.filter(free).length - locked.length;
  return { ...plan, failures, removed };
}

/** Prune the page logs. The log of a database that is protected no longer ends, and goes when its age is over. */
async function pruneLogs(context: Context, now: number): Promise<void> {
  const { catalog, fleet } = context;
  const all = await databasesWithLogs(catalog);
  for (let at = 0; at < all.length; at += AT_ONCE) {
    const names = all.slice(at, at + AT_ONCE);
    const policies = await fleet.policies(names);
    for (const [name, logs] of await logsOf(catalog, names)) {
      const policy = policies.get(name);
      if (policy?.logMs === undefined || isMisconfigured(policy)) continue;
      const open = logs.find(({ lineage }) => lineage.endedAt === null);
      if (policy.gone === true && open !== undefined)
        await endLineage(catalog, open.lineage.id, now);
      else await pruneLog(context, { name, logMs: policy.logMs }, logs, now);
    }
  }
}

/**
 * Make every copy that is due. A backup found corrupt while copying no longer counts as the newest:
 * plan again without it, and copy the next one.
 */
async function pinInTime(
  context: Context,
  names: readonly string[],
  copies: ReadonlySet<string>,
  now: number,
): Promise<{ plan: PrunePlan; failures: PruneFailure[] }> {
  const failures = new Map<string, PruneFailure>();
  const corrupt = new Set<string>();
  for (let there = copies; ; there = new Set(await listKeys(context.bucket, PINNED))) {
    const plan = await planPrune(context, names, there, now, corrupt);
    const known = corrupt.size;
    for (const backup of plan.pins)
      try {
        const reason = "the policy keeps it past the age of its tier";
        await pinBackup(context, backup.id, "policy", reason);
      } catch (thrown) {
        const error = asNightjarError(thrown);
        failures.set(backup.id, failure(backup, error));
        if (error.code === "OBJECT_CORRUPT") corrupt.add(backup.id);
      }
    if (corrupt.size === known) return { plan, failures: [...failures.values()] };
  }
}

/** Return the backups that are kept as copies, and whose own objects are past their age. */
function copiedAndPast(
  verdicts: readonly Verdict<Prunable>[],
  pins: readonly Prunable[],
  now: number,
): Prunable[] {
  return verdicts
    .filter(({ backup, keep }) => keep && (backup.pin !== null || pins.includes(backup)))
    .filter(({ expiresAt }) => expiresAt !== undefined && now >= expiresAt)
    .map(({ backup }) => backup);
}

function failure(backup: Prunable, error: NightjarError): PruneFailure {
  const { id, database } = backup;
  log.error("prune-failed", error, { database, backup: id });
  return { backup, error: error.report() };
}

function lockedError({ id }: Prunable): NightjarError {
  return new NightjarError("STORE_LOCKED", `Backup ${id} cannot be removed yet.`);
}
