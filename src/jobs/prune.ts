import { allForPruning, removeBackups } from "../catalog/backups.ts";
import { forgetExpiredLinks } from "../catalog/links.ts";
import { forgetFailedRuns } from "../catalog/runs.ts";
import { retentions } from "../config.ts";
import type { Context } from "../context.ts";
import { log } from "../log.ts";
import { DAY } from "../plan/duration.ts";
import { judge, type Kept, type Verdict } from "../plan/retention.ts";
import { dumpKey, manifestKey } from "../store/keys.ts";
import { removeObjects } from "../store/remove.ts";

/** Failed runs are remembered this long, ms. */
const REMEMBER_FAILURES = 90 * DAY;
/** Backups removed at a time; D1 takes at most 100 parameters a query. */
const BATCH = 90;

/**
 * Apply the retention policy to the bucket and the catalog. Only what the catalog lists is ever
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
): Promise<Verdict<Kept>[]> {
  const { catalog, bucket, config } = context;
  const verdicts = judge<Kept>(await allForPruning(catalog), retentions(config.databases), now);
  if (dryRun) return verdicts;

  const doomed = verdicts.filter(({ keep }) => !keep).map(({ backup }) => backup);
  for (let at = 0; at < doomed.length; at += BATCH) {
    const batch = doomed.slice(at, at + BATCH);
    await removeObjects(bucket, batch.map(manifestKey));
    await removeObjects(bucket, batch.map(dumpKey));
    await removeBackups(
      catalog,
      batch.map(({ id }) => id),
    );
  }
  await forgetFailedRuns(catalog, now - REMEMBER_FAILURES);
  await forgetExpiredLinks(catalog, now);
  log.info("pruned", { kept: verdicts.length - doomed.length, removed: doomed.length });
  return verdicts;
}
