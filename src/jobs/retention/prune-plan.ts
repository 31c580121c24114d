import { backupsForPruning, type Prunable } from "../../catalog/backups.ts";
import { isMisconfigured } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { pinsDue, pinsOver } from "../../plan/pins.ts";
import { judge, type Verdict } from "../../plan/retention.ts";
import { manifestKey, ownKey, pinnedKey } from "../../store/keys.ts";
import { listKeys } from "../../store/list.ts";
import { objectExists } from "../../store/read.ts";

/** The plan of a prune. */
export interface PrunePlan {
  readonly verdicts: Verdict<Prunable>[];
  /** Backups to copy before the lifecycle deletes them. */
  readonly pins: Prunable[];
  /** Backups that stay, whose copies are no longer needed. */
  readonly releases: Prunable[];
}

/**
 * Judge the backups of some databases by the policy and by what the bucket really holds: a backup that should
 * be copied in time but whose bytes are missing counts as deleted, so that the next newest is kept in its place.
 *
 * @param names the databases
 * @param copies the keys of all pinned copies
 * @param now ms
 * @param corrupt ids of backups that this prune has found corrupt
 * @throws NightjarError `CATALOG_FAILED` or `STORE_FAILED`
 */
export async function planPrune(
  { catalog, bucket, fleet }: Context,
  names: readonly string[],
  copies: ReadonlySet<string>,
  now: number,
  corrupt: ReadonlySet<string>,
): Promise<PrunePlan> {
  const stored = await backupsForPruning(catalog, names);
  const policies = await fleet.policies(names);
  let backups = stored.map((backup) =>
    corrupt.has(backup.id) ? { ...backup, verification: "corrupt" as const } : backup,
  );
  const gone: Prunable[] = [];
  /**
   * Return true if a backup's bytes are at its own key, or at the key of a copy that a killed pin has
   * left. A backup whose bytes are missing is removed with everything that is left of it, so it counts
   * as missing only if neither a look-up nor a list finds them.
   */
  const isThere = async (backup: Prunable): Promise<boolean> => {
    const key = ownKey(backup.key);
    if (copies.has(pinnedKey(key))) return true;
    for (const place of [key, pinnedKey(key)])
      if ((await objectExists(bucket, place)) || (await listKeys(bucket, place)).includes(place))
        return true;
    return false;
  };

  // A copy that somebody has deleted is made again from its original.
  const again: Prunable[] = [];
  for (const backup of backups) {
    if (backup.pin === null || !policies.has(backup.database)) continue;
    const keys = [ownKey(backup.key), manifestKey(backup)].map(pinnedKey);
    if (keys.every((key) => copies.has(key))) continue;
    if (await isThere(backup)) again.push(backup);
    else gone.push(backup);
  }

  const seen = new Set<Prunable>();
  const hasCopy = (backup: Prunable): boolean =>
    [ownKey(backup.key), manifestKey(backup)].some((key) => copies.has(pinnedKey(key)));
  for (;;) {
    backups = backups.filter((backup) => !gone.includes(backup));
    const due = pinsDue(backups, policies, now);
    const unseen = due.filter((backup) => !seen.has(backup));
    if (unseen.length === 0) {
      const verdicts = [...judge(backups, policies, now), ...gone.map(missing)];
      // Copies that a killed pin or a killed release has left, and that are not needed.
      const strays = verdicts
        .filter(({ backup, keep }) => keep && backup.pin === null && hasCopy(backup))
        .map(({ backup }) => backup)
        .filter((backup) => !due.includes(backup));
      // The age of a database with mistakes may be a default: a copy that looks unneeded may be the
      // last one.
      const releases = [...pinsOver(backups, policies, now), ...strays].filter(({ database }) => {
        const policy = policies.get(database);
        return policy === undefined || !isMisconfigured(policy);
      });
      return { verdicts, pins: [...again, ...due], releases };
    }
    for (const backup of unseen) {
      seen.add(backup);
      if (!(await isThere(backup))) gone.push(backup);
    }
  }
}

function missing(backup: Prunable): Verdict<Prunable> {
  const reason = "its bytes are gone from the bucket";
  return { backup, keep: false, reason, outlives: false };
}
