import { recordOrLog } from "../../audit/record.ts";
import { enterDatabases } from "../../catalog/fleet/databases.ts";
import {
  type Discovered,
  discoveredAfter,
  enterDiscovered,
  findDiscovered,
  markGone,
} from "../../catalog/fleet/discovered.ts";
import { forgetMethod } from "../../catalog/fleet/methods.ts";
import { endLineage, openLineage } from "../../catalog/lineages.ts";
import { type Beat, readBeats, recordBeat } from "../../catalog/watch/beats.ts";
import { log } from "../../core/log.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import { giveNotice } from "../../notify/notice.ts";
import { MINUTE } from "../../plan/duration.ts";
import type { Platform, PlatformDatabase } from "../../platform/platform.ts";
import type { Context } from "../../worker/context.ts";

/** Pause after a listing that failed, and after the beginning of one that was cut off, ms. */
const AGAIN = { failed: 5 * MINUTE, cutOff: 15 * MINUTE };
/** Names that are told of at most. */
const TOLD = 20;
/** Rows that are read at once. */
const BATCH = 500;

/** What a listing has changed. */
export interface Discovery {
  /** Databases that Turso lists. */
  readonly listed: number;
  /** Names that are new, or listed again. */
  readonly added: readonly string[];
  /** Names behind which there is another database than before. */
  readonly replaced: readonly string[];
  /** Names that Turso lists no longer. */
  readonly gone: readonly string[];
}

/**
 * Read Turso's list of databases if it is time to.
 *
 * @param now ms
 * @throws NightjarError as `discover`
 */
export async function discoverIfDue(context: Context, now: number): Promise<void> {
  const { catalog, config, platform } = context;
  if (config.turso === undefined || platform === undefined) return;
  const { discovery: last, discovered } = await readBeats(catalog);
  if (last !== undefined && now - last.at < pauseAfter(last, discovered, config.turso.everyMs))
    return;
  // The next minutes leave it to this one.
  await recordBeat(catalog, "discovery", { at: now, error: last?.error ?? null });
  await discover(context, platform, now);
}

/** Return the pause after the beginning of a listing, ms. A minute's work ends after 15 minutes at the latest. */
function pauseAfter(last: Beat, discovered: Beat | undefined, everyMs: number): number {
  if (last.error !== null) return Math.min(AGAIN.failed, everyMs);
  return last.at === discovered?.at ? everyMs : Math.min(AGAIN.cutOff, everyMs);
}

/**
 * Bring the catalog's list of databases in line with Turso's. New databases are protected from now on, as the
 * configuration says. What is stored of those that are gone stays. They are gone only if a listing has ended
 * without an error.
 *
 * @param now ms
 * @throws NightjarError `PLATFORM_UNAUTHORIZED`, `PLATFORM_UNREACHABLE`, `PLATFORM_INVALID`, `CATALOG_FAILED`
 */
export async function discover(
  context: Context,
  platform: Platform,
  now: number,
): Promise<Discovery> {
  const { catalog } = context;
  try {
    const found = await readList(context, platform, now);
    const beat = { at: now, error: null };
    await recordBeat(catalog, "discovery", beat);
    await recordBeat(catalog, "discovered", beat);
    await tell(context, found);
    return found;
  } catch (thrown) {
    const error = asNightjarError(thrown);
    await recordBeat(catalog, "discovery", { at: now, error: error.report() });
    throw error;
  }
}

async function readList(context: Context, platform: Platform, now: number): Promise<Discovery> {
  const { catalog, fleet } = context;
  const listed = new Set<string>();
  const added: string[] = [];
  const replaced: string[] = [];
  for await (const page of platform.listDatabases()) {
    const names = page.map(({ name }) => name);
    const rows = await findDiscovered(catalog, names);
    const known = new Map(rows.map((row) => [row.name, row]));
    const changed: Discovered[] = [];
    for (const database of page) {
      const before = known.get(database.name);
      listed.add(database.name);
      if (before === undefined || before.goneAt !== null) added.push(database.name);
      if (before !== undefined && before.tursoId !== database.id) {
        replaced.push(database.name);
        await endHistory(context, database.name, now);
      }
      const row = rowOf(database, before, now);
      if (before === undefined || differs(row, before)) changed.push(row);
      known.set(row.name, row);
    }
    if (changed.length > 0) await enterDiscovered(catalog, changed);
    const wanted = names.filter((name) => fleet.whyUnprotected(known.get(name)!) === undefined);
    await enterDatabases(catalog, wanted);
  }
  const gone = await unlisted(context, listed);
  if (gone.length > 0) await markGone(catalog, gone, now);
  return { listed: listed.size, added, replaced, gone };
}

/** List the names that the catalog has as listed, and that are not. */
async function unlisted({ catalog }: Context, listed: ReadonlySet<string>): Promise<string[]> {
  const gone: string[] = [];
  for (let last = ""; ;) {
    const rows = await discoveredAfter(catalog, last, BATCH);
    for (const { name, goneAt } of rows) if (goneAt === null && !listed.has(name)) gone.push(name);
    if (rows.length < BATCH) return gone;
    last = rows.at(-1)!.name;
  }
}

/** See to it that nothing of another database under the same name is continued. */
async function endHistory({ catalog }: Context, name: string, now: number): Promise<void> {
  await forgetMethod(catalog, name);
  const lineage = await openLineage(catalog, name);
  if (lineage !== undefined) await endLineage(catalog, lineage.id, now);
}

function rowOf(
  { name, id, hostname, group, readsBlocked, deleteProtected, cipher }: PlatformDatabase,
  before: Discovered | undefined,
  now: number,
): Discovered {
  const isNew = before === undefined || before.tursoId !== id;
  return {
    ...{ name, tursoId: id, hostname, group, readsBlocked, deleteProtected, cipher },
    firstSeenAt: isNew ? now : before.firstSeenAt,
    goneAt: null,
  };
}

function differs(row: Discovered, before: Discovered): boolean {
  return (Object.keys(row) as (keyof Discovered)[]).some((key) => row[key] !== before[key]);
}

/** Record what has changed, and tell of databases that are gone. */
async function tell(context: Context, { listed, added, replaced, gone }: Discovery): Promise<void> {
  log.info("databases-listed", {
    ...{ listed, added: added.length, replaced: replaced.length, gone: gone.length },
  });
  if (added.length + replaced.length + gone.length === 0) return;
  const some = (names: readonly string[]) => names.slice(0, TOLD);
  await recordOrLog(context, {
    ...{ by: NIGHTJAR, action: "discovery", outcome: "done" },
    detail: {
      ...{ listed, added: some(added), replaced: some(replaced), gone: some(gone) },
      ...{ addedCount: added.length, replacedCount: replaced.length, goneCount: gone.length },
    },
  });
  if (gone.length === 0) return;
  const others = gone.length > TOLD ? `, and ${gone.length - TOLD} more` : "";
  await giveNotice(context, {
    ...{ rule: "databases-gone", severity: "warning", database: null },
    subject: gone.length === 1 ? gone[0]! : `${gone.length} databases`,
    summary: `Turso no longer lists ${some(gone).join(", ")}${others}. No backups are made of what is gone; those that there are stay.`,
    hint: "If it was deleted by mistake, restore it: `nightjar restore <name> --to-turso <name>`.",
  });
}
