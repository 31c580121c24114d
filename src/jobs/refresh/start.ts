import type { WorkflowStep } from "cloudflare:workers";
import {
  type Backup,
  existingBackup,
  newestDrilled,
  newestGood,
  newestVerified,
} from "../../catalog/backups.ts";
import {
  enterRefresh,
  findRefresh,
  lastRefreshes,
  type RefreshRow,
  updateRefresh,
} from "../../catalog/refreshes.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Refresh } from "../../config/refresh.ts";
import { randomId } from "../../core/deps.ts";
import { log } from "../../core/log.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import { isKnownBad } from "../../model/proof.ts";
import type { RefreshTrigger } from "../../model/refresh.ts";
import type { Context } from "../../worker/context.ts";
import { isAtWork } from "../../worker/workflows.ts";

/** No more than about a minute: the run goes on after it. */
const OPTIONS = { retries: { limit: 4, delay: "5 seconds", backoff: "exponential" } } as const;

/**
 * Start the refresh that waits for this of a scheduled backup, as a Workflow of its own: nothing of it fails
 * the backup or the proof.
 *
 * @param passed what the backup has passed just now
 */
export async function refreshAfter(
  context: Context,
  { id, database }: Pick<Manifest, "id" | "database">,
  passed: Refresh["after"],
  step: WorkflowStep,
): Promise<void> {
  if (context.config.databases.get(database)?.refresh?.after !== passed) return;
  try {
    await step.do("start-refresh", OPTIONS, () => startScheduled(context, id, passed));
  } catch (thrown) {
    log.error("refresh-not-started", thrown, { database, backup: id });
  }
}

async function startScheduled(
  context: Context,
  backupId: string,
  passed: Refresh["after"],
): Promise<void> {
  const backup = await existingBackup(context.catalog, backupId);
  const { database, manifest } = backup;
  if (manifest.trigger !== "cron" || !hasPassed(backup, passed)) return;
  const id = `${database}-${backupId}`;
  const { last } = (await lastRefreshes(context.catalog, [database])).get(database)!;
  // A later drill of the same backup, or of an older one, does not turn the target back.
  if (last !== undefined && last.id !== id && last.takenAt >= backup.takenAt) return;
  await start(context, refreshOf(context, database), backup, "schedule", id);
}

/**
 * Start a refresh now, with the newest backup that has passed what the configuration asks for.
 *
 * @returns the refresh, or the one that is under way
 * @throws NightjarError `REFRESH_UNAVAILABLE`, `CATALOG_FAILED`
 */
export async function startRefresh(context: Context, name: string): Promise<RefreshRow> {
  const { catalog, deps } = context;
  const database = refreshOf(context, name);
  const active = await activeRefresh(context, name);
  if (active !== undefined) return active;
  const { after } = database.refresh;
  const newest = { backup: newestGood, verify: newestVerified, drill: newestDrilled }[after];
  const backup = await newest(catalog, name);
  if (backup === undefined)
    throw new NightjarError("REFRESH_UNAVAILABLE", `${name} has no backup ${WANTED[after]}.`, {
      hint: HINTS[after](name),
    });
  const id = `${name}-${backup.id}-${randomId(deps)}`;
  await start(context, database, backup, "api", id);
  return (await findRefresh(catalog, id))!;
}

const WANTED = {
  backup: "that is not known to be bad",
  verify: "whose verify passed",
  drill: "whose drill passed",
} as const;
const HINTS = {
  backup: (name: string) => `Make one with \`nightjar backup ${name}\`.`,
  verify: (name: string) => `Read its newest backup back with \`nightjar verify ${name}\`.`,
  drill: (name: string) => `Drill its newest backup with \`nightjar drill ${name}\`.`,
} as const;

function hasPassed(backup: Backup, wanted: Refresh["after"]): boolean {
  if (isKnownBad(backup)) return false;
  if (wanted === "backup") return true;
  return wanted === "verify"
    ? backup.verification?.outcome === "verified"
    : backup.drill?.outcome === "passed";
}

/** @throws NightjarError `REFRESH_UNAVAILABLE` for a database without a `refresh` that can be */
export function refreshOf(
  { config }: Context,
  name: string,
): DatabaseConfig & { readonly refresh: Refresh } {
  const database = config.databases.get(name);
  if (database?.refresh === undefined)
    throw new NightjarError("REFRESH_UNAVAILABLE", `${name} has no \`refresh\`, or a wrong one.`);
  return { ...database, refresh: database.refresh };
}

/** Return the refresh that is under way. One whose Workflow has ended without a word is marked as failed. */
async function activeRefresh(context: Context, name: string): Promise<RefreshRow | undefined> {
  const { catalog, refreshes, deps } = context;
  const { last } = (await lastRefreshes(catalog, [name])).get(name)!;
  if (last === undefined || last.endedAt !== null) return undefined;
  const status = await refreshes.status(last.id);
  if (isAtWork(status)) return last;
  const error = new NightjarError("REFRESH_LOST", `The refresh's Workflow is ${status}.`);
  log.error("refresh-failed", error, { refresh: last.id, database: name });
  await updateRefresh(catalog, last.id, {
    ...{ state: "failed", endedAt: deps.now(), error: error.report() },
  });
  return undefined;
}

/** Enter a refresh and create its Workflow instance; doing so twice makes one. */
async function start(
  context: Context,
  { name, refresh }: DatabaseConfig & { readonly refresh: Refresh },
  { id: backup, manifest, takenAt }: Backup,
  trigger: RefreshTrigger,
  id: string,
): Promise<void> {
  const { catalog, config, deps, refreshes } = context;
  const { url, namespace = null } = config.databases.get(refresh.into)!;
  const { into, sanitize: sanitized } = refresh;
  const asOf = Date.parse(manifest.snapshot?.committedAt ?? manifest.takenAt);
  const facts = { backup, takenAt, asOf, sanitized };
  await enterRefresh(
    catalog,
    { id, database: name, into, url, namespace, trigger, ...facts },
    deps.now(),
  );
  await refreshes.start(id);
  log.info("refresh-started", { refresh: id, database: name, into });
}
