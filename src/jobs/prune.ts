import { allForPruning, type Prunable, removeBackups } from "../catalog/backups.ts";
import { forgetExpiredLinks } from "../catalog/links.ts";
import { forgetFailedRuns } from "../catalog/runs.ts";
import { retentions } from "../config.ts";
import type { Context } from "../context.ts";
import { log } from "../log.ts";
import { DAY } from "../plan/duration.ts";
import { judge, type Verdict } from "../plan/retention.ts";
import { bytesKey, manifestKey } from "../store/keys.ts";
import { objectExists } from "../store/read.ts";
import { removeObjects } from "../store/remove.ts";
import { pruneLog } from "./log-prune.ts";

/** Failed runs are remembered this long, ms. */
const REMEMBER_FAILURES = 90 * DAY;
/** Backups removed at a time; D1 takes at most 100 parameters a query. */
const BATCH = 90;

/**
 * Apply the retention policy to the bucket and the catalog, page logs included. Only what the catalog lists is ever
 * deleted. A manifest goes first, so that its backup ends to exist whole; the catalog's row goes
 * last, so that a killed prune is finished by the next one.
 *
 * @param now ms
 * @param dryRun judge only
 * @returns the verdict on every backup
 * @throws NightjarError `CATALOG_FAILED` or `STORE_FAILED`
 */
export async function prune(
  context: Context,
  now: number,
  dryRun: boolean,
): Promise<Verdict<Prunable>[]> {
  const { catalog, bucket } = context;
  const verdicts = await judgeExisting(context, now);
  if (dryRun) return verdicts;

  const doomed = verdicts.filter(({ keep }) => !keep).map(({ backup }) => backup);
  for (let at = 0; at < doomed.length; at += BATCH) {
    const batch = doomed.slice(at, at + BATCH);
    await removeObjects(bucket, batch.map(manifestKey));
    await removeObjects(
      bucket,
      batch.map((backup) => bytesKey(backup, backup.kind)),
    );
    await removeBackups(
      catalog,
      batch.map(({ id }) => id),
    );
  }
  for (const database of context.config.databases.values()) await pruneLog(context, database, now);
  await forgetFailedRuns(catalog, now - REMEMBER_FAILURES);
  await forgetExpiredLinks(catalog, now);
  log.info("pruned", { kept: verdicts.length - doomed.length, removed: doomed.length });
  return verdicts;
}

/**
 * The verdicts, with one thing made sure of: a backup that is past its age and kept for being the
 * newest may be gone from the bucket, as R2's lifecycle knows nothing of the newest. Then it counts as
 * let go, and the next newest is kept.
 */
async function judgeExisting({ catalog, bucket, config }: Context, now: number) {
  const policies = retentions(config.databases);
  const gone: Verdict<Prunable>[] = [];
  let backups: Prunable[] = await allForPruning(catalog);
  for (;;) {
    const verdicts = judge(backups, policies, now);
    const overdue = verdicts.filter(
      ({ keep, expiresAt }) => keep && now >= (expiresAt ?? Infinity),
    );
    const missing = new Set<Prunable>();
    for (const { backup } of overdue)
      if (!(await objectExists(bucket, bytesKey(backup, backup.kind)))) missing.add(backup);
    if (missing.size === 0) return [...verdicts, ...gone];
    for (const backup of missing)
      gone.push({ backup, keep: false, reason: "its bytes are gone from the bucket" });
    backups = backups.filter((backup) => !missing.has(backup));
  }
}
