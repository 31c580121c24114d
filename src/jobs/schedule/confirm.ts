import { recordConfirmed } from "../../catalog/fleet/confirmations.ts";
import { type DueFacts, type NewestBackup, recordChecks } from "../../catalog/fleet/due.ts";
import type { Lineage } from "../../catalog/lineages.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import { log } from "../../core/log.ts";
import { withoutToken } from "../../libsql/server.ts";
import type { PageCursor } from "../../model/manifest.ts";
import { beatRun } from "../../notify/heartbeat.ts";
import { stamp } from "../../plan/stamp.ts";
import type { Tier } from "../../plan/tier.ts";
import { isUnchanged } from "../../source/unchanged.ts";
import type { Context } from "../../worker/context.ts";
import { DAY } from "../../plan/duration.ts";

/** Time for which a server may say nothing when it is asked for changes, ms: a run has more patience. */
const PATIENCE = 10_000;

/**
 * Time for which a revision is believed by its name and some pages, ms: a run then compares other pages too.
 * sqld's frames are counted and need no such limit.
 */
const BELIEVED = 7 * DAY;

/** A backup that is the present state of its database. */
export interface Confirmation {
  readonly database: DatabaseConfig;
  readonly backupId: string;
  readonly tier: Tier;
  readonly scheduledFor: number;
  readonly confirmedAt: number;
  /** The page log that is complete until then. */
  readonly lineage: Pick<Lineage, "id" | "txid"> | undefined;
}

/**
 * Find out by one request whether a database's newest backup is its present state. Only one that was verified
 * can be, and only where the server has a measure of its own of what was committed. A server that cannot be
 * asked is left to a run, which tries again and says what is wrong.
 *
 * @param due the tier that a backup would have, and its scheduled moment, ms
 */
export async function findConfirmation(
  context: Context,
  database: DatabaseConfig,
  { newest, lineage }: DueFacts,
  due: { readonly tier: Tier; readonly moment: number },
): Promise<Confirmation | undefined> {
  if (newest === undefined || !mayBeCurrent(database, newest)) return undefined;
  const isLogged = lineage !== undefined && isEndOf(lineage, newest);
  const cursor = isLogged ? lineage.cursor : newest.cursor;
  const confirmedAt = context.deps.now();
  if (cursor === null) return undefined;
  if (cursor.protocol === "pull-updates" && confirmedAt - newest.takenAt > BELIEVED)
    return undefined;
  if (!(await isStill(context, database, cursor))) return undefined;
  return {
    ...{ database, backupId: newest.id, tier: due.tier, scheduledFor: due.moment, confirmedAt },
    lineage: isLogged ? lineage : undefined,
  };
}

/** Record confirmations, and tell the databases' heartbeats. @throws NightjarError `CATALOG_FAILED` */
export async function recordConfirmations(
  context: Context,
  found: readonly Confirmation[],
): Promise<void> {
  if (found.length === 0) return;
  await recordConfirmed(
    context.catalog,
    found.map(({ database: { name: database }, backupId, tier, scheduledFor, confirmedAt }) => ({
      ...{ database, backupId, tier, scheduledFor, confirmedAt },
    })),
  );
  const checks = found.flatMap(({ lineage, confirmedAt: at }) =>
    lineage === undefined ? [] : [{ lineage: lineage.id, txid: lineage.txid, at }],
  );
  await recordChecks(context.catalog, checks);
  for (const { database, backupId: backup, tier, scheduledFor } of found) {
    log.info("backup-confirmed", { database: database.name, backup, tier });
    const run = `${database.name}-${stamp(scheduledFor)}`;
    await beatRun(context, database, "success", run, `unchanged: ${backup}`);
  }
}

/** Return true if a backup is the state at the end of a log: it was made from it, or the log was begun with it. */
function isEndOf({ id, txid, cursor }: Lineage, newest: NewestBackup): boolean {
  if (newest.log !== null) return newest.log.lineage === id && newest.log.txid === txid;
  return newest.cursor !== null && JSON.stringify(newest.cursor) === JSON.stringify(cursor);
}

/** Return true if a backup would do in place of a new one, as the configuration is now. */
function mayBeCurrent(database: DatabaseConfig, newest: NewestBackup): boolean {
  const { url, namespace = null, capture, recipients, refresh, firstSeenAt = 0 } = database;
  return (
    newest.verified &&
    newest.url === url &&
    newest.takenAt >= firstSeenAt &&
    newest.namespace === namespace &&
    (capture === "auto" || capture === "pages") &&
    recipients.length === 0 &&
    // Somebody may have written to the database that each night's backup is restored into.
    refresh === undefined
  );
}

async function isStill(
  context: Context,
  database: DatabaseConfig,
  cursor: PageCursor,
): Promise<boolean> {
  try {
    const source = await context.sourceOf(database);
    const { stallMs } = source;
    const hurried = { ...source, stallMs: Math.min(stallMs, PATIENCE) };
    return await withoutToken(source, () => isUnchanged(hurried, context.deps, cursor));
  } catch (thrown) {
    log.error("source-not-asked", thrown, { database: database.name });
    return false;
  }
}
