import { Cron } from "croner";
import { HOUR, MINUTE } from "./duration.ts";

/** Time after a scheduled moment for which its backup may be missing before the database is late, ms. */
export const GRACE = HOUR;

/** Most minutes over which runs that share a schedule are spread. */
const SPREAD = 30;

/**
 * Return the delay of a database's run after its scheduled moment, ms: whole minutes, stable by its
 * name, spread over as many minutes as databases share the schedule, up to 30. A database that is alone
 * starts at once.
 *
 * @param schedules those of all databases, its own included
 */
export function startDelay(name: string, schedule: string, schedules: Iterable<string>): number {
  let sharing = 0;
  for (const other of schedules) if (other === schedule) sharing++;
  return spreadDelay(name, Math.min(sharing, SPREAD) * MINUTE);
}

/** Return the delay of a database's run within a time over which runs are spread, ms: whole minutes, stable by its name. */
export function spreadDelay(name: string, spreadMs: number): number {
  return (hashOf(name) % Math.max(1, Math.floor(spreadMs / MINUTE))) * MINUTE;
}

/**
 * Return the FNV-1a hash of a text, 32 bits, its upper half folded in
 * (https://www.ietf.org/archive/id/draft-eastlake-fnv-17.html).
 */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x0100_0193);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Schedules that were parsed: every request asks for the moments of all of them. */
const parsed = new Map<string, Cron>();

function cron(schedule: string): Cron {
  const known = parsed.get(schedule);
  if (known !== undefined) return known;
  // An offset, as croner converts every date of a named zone through Intl, which is a hundred times slower.
  const made = new Cron(schedule, { utcOffset: 0, mode: "5-part", paused: true });
  parsed.set(schedule, made);
  return made;
}

const FIELDS = ["minute", "hour", "day of the month", "month", "day of the week"];

/**
 * Results of `scheduleMistake`, kept because every request reads the configuration and croner is slow
 * to parse a schedule.
 */
const known = new Map<string, string | undefined>();

/** Return the mistake in a five-field cron expression; undefined if there is none. */
export function scheduleMistake(schedule: string): string | undefined {
  if (!known.has(schedule)) known.set(schedule, findMistake(schedule));
  return known.get(schedule);
}

function findMistake(schedule: string): string | undefined {
  const fields = schedule.trim().split(/\s+/);
  if (fields.length === 6) return "it has six fields, and there is none for seconds";
  if (fields.length !== FIELDS.length) return `it has ${fields.length} fields`;
  for (const [at, field] of fields.entries()) {
    const alone = FIELDS.map((_, other) => (other === at ? field : "*")).join(" ");
    if (!isCron(alone)) return `its ${FIELDS[at]} cannot be ${field}`;
  }
  if (!isCron(schedule)) return "its fields do not fit together";
  return cron(schedule).nextRun() === null ? "no date ever matches it" : undefined;
}

function isCron(schedule: string): boolean {
  try {
    cron(schedule);
    return true;
  } catch {
    return false; // croner's own messages are about its code
  }
}

/** Return the last scheduled moment at or before `now` (ms); undefined if there is none. */
function previousMoment(schedule: string, now: number): number | undefined {
  return cron(schedule)
    .previousRuns(1, new Date(now + 1)) // croner leaves out the reference itself
    .at(0)
    ?.getTime();
}

/** Return the first scheduled moment after `after` (ms); undefined if there is none. */
export function nextMoment(schedule: string, after: number): number | undefined {
  return cron(schedule).nextRuns(1, new Date(after)).at(0)?.getTime();
}

/**
 * Return the scheduled moment that is due at `now`: the latest one after `lastLook`. However many were
 * missed, one backup catches up. A database that was never looked at is due at once.
 */
export function dueMoment(
  schedule: string,
  lastLook: number | undefined,
  now: number,
): number | undefined {
  const moment = previousMoment(schedule, now);
  if (moment === undefined) return undefined;
  return lastLook === undefined || moment > lastLook ? moment : undefined;
}

/** Return true if a database whose newest backup was taken at `takenAt` should have a newer one at `now`. */
export function isLate(schedule: string, takenAt: number, now: number): boolean {
  const next = nextMoment(schedule, takenAt);
  return next !== undefined && now > next + GRACE;
}
