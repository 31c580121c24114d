import { DAY, HOUR, MINUTE, span } from "../duration.ts";
import { followPause } from "../follow-pace.ts";
import type { Objective } from "../objectives.ts";
import { GRACE, nextMoment } from "../schedule.ts";
import type { Problem, Severity } from "./alert.ts";

/** When a database raises an alert: its `alerts` in the configuration. */
export interface Limits {
  readonly ageMs: readonly [number, number] | undefined;
  readonly sizePercent: readonly [number, number];
  readonly rowsPercent: readonly [number, number];
  readonly logBytes: number;
  /** Rules that raise none. */
  readonly off: readonly string[];
}

/** How the newest backup differs from the one before it. */
export interface Comparison {
  readonly before: { readonly id: string; readonly bytes: number };
  readonly bytes: number;
  /** Tables that have lost rows; `after` is null for a table that is gone. */
  readonly losses: readonly Loss[];
}

export interface Loss {
  readonly table: string;
  readonly before: number;
  readonly after: number | null;
}

/** What is known of a database that is watched. Moments and durations in ms, sizes in bytes. */
export interface WatchFacts {
  readonly name: string;
  readonly schedule: string;
  /** How long after its scheduled moment its run starts. */
  readonly delay: number;
  readonly limits: Limits;
  readonly mistakes: readonly { readonly path: string; readonly fix: string }[];
  /** When it was first watched: its first backup is expected from then on. */
  readonly firstSeenAt: number;
  readonly newest: { readonly id: string; readonly takenAt: number } | undefined;
  readonly verifiedAt: number | undefined;
  readonly lastFinished:
    | {
        readonly id: string;
        readonly failed: boolean;
        readonly error: {
          readonly code: string;
          readonly message: string;
          readonly hint: string;
        } | null;
      }
    | undefined;
  /** Backups that a proof found bad, the newest first, and when. */
  readonly bad: readonly { readonly id: string; readonly foundAt: number }[];
  readonly comparison: Comparison | undefined;
  readonly copyError: string | undefined;
  /** The refresh that was asked for last; undefined where there is none. */
  readonly refresh: RefreshFacts | undefined;
  /** Number of backups that the policy keeps past their age. */
  readonly pinned: number;
  /** Number of the newest that are kept whatever their age: such pins are nothing to tell. */
  readonly keepLast: number;
  readonly follow:
    | {
        readonly pace: number;
        readonly checkedAt: number | undefined;
        readonly error: string | undefined;
      }
    | undefined;
  readonly logBytes: number;
  /** When the source's token expires; undefined if it does not, or does not tell. */
  readonly tokenExpiresAt: number | undefined;
  readonly recoveryPoint: Objective;
  readonly recoveryTime: Objective;
}

/** What is known of a refresh. */
export interface RefreshFacts {
  readonly into: string;
  readonly state: "queued" | "running" | "done" | "failed";
  readonly createdAt: number;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
  } | null;
}

type Found = Omit<Problem, "database" | "subject"> & { readonly subject?: string };
type Find = (facts: WatchFacts, now: number) => Found | readonly Found[] | undefined;

/** A table with fewer rows, and a database with fewer bytes, may change as it likes. */
export const FEWEST_ROWS = 10;
const FEWEST_BYTES = 100_000;

/** A follower may miss so many pulls, and so much time, before the log is behind; ms. */
const MISSED_PULLS = 5;
const BEHIND = 5 * MINUTE;
const FAR_BEHIND = HOUR;

/** Time for which a bad backup that is not the newest is told of, ms. */
const BAD_TOLD = 3 * DAY;
/** Bad backups that are told of at once: where more are bad, what is wrong is not the backup. */
const MOST_BAD = 5;

/** Time in which a refresh ends, with all its tries, ms. */
const REFRESH_ENDS = 6 * HOUR;

/** A token that expires within this time is told of, ms. */
const EXPIRES_SOON = 14 * DAY;
const EXPIRES_NOW = 3 * DAY;

const FINDS: readonly Find[] = [
  findMistakes,
  findLate,
  findFailedRun,
  findBad,
  findUnverified,
  findSizeChange,
  findLostRows,
  findLogBehind,
  findLogLarge,
  (facts) => findMissed(facts, "recovery point", "rpo", facts.recoveryPoint),
  (facts) => findMissed(facts, "recovery time", "rto", facts.recoveryTime),
  findFailedCopy,
  findFailedRefresh,
  findExpiringToken,
  findPinned,
];

/** Return everything that is wrong with a database at `now` (ms). */
export function problemsOf(facts: WatchFacts, now: number): Problem[] {
  const found = FINDS.flatMap((find) => find(facts, now) ?? []);
  return found
    .filter(({ rule }) => !facts.limits.off.includes(rule))
    .map(({ subject = "", ...problem }) => ({ ...problem, subject, database: facts.name }));
}

function findMistakes({ name, mistakes }: WatchFacts): Found | undefined {
  if (mistakes.length === 0) return undefined;
  const words = mistakes.map(({ path, fix }) => `${path}: ${fix}`).join("; ");
  return {
    ...{ rule: "misconfigured", severity: "critical" },
    summary: `The configuration of ${name} is wrong, and nothing is done for it: ${words}.`,
    hint: "Fix wrangler.toml or the secret, and deploy again.",
  };
}

/**
 * A backup is late an hour after the next one was due, and very late when the second one after it was: 25 and
 * 48 hours for one every day.
 */
function findLate(facts: WatchFacts, now: number): Found | undefined {
  const { name, schedule, delay, limits, mistakes, newest, firstSeenAt } = facts;
  if (mistakes.length > 0) return undefined;
  const from = newest?.takenAt ?? firstSeenAt;
  const due = nextMoment(schedule, from);
  if (due === undefined) return undefined;
  const second = nextMoment(schedule, due) ?? Infinity;
  const [warn, critical] =
    limits.ageMs === undefined
      ? [due + delay + GRACE, Math.max(second + delay, due + delay + 2 * GRACE)]
      : [from + limits.ageMs[0], from + limits.ageMs[1]];
  if (now <= warn) return undefined;
  return {
    ...{ rule: "late", severity: now > critical ? "critical" : "warning" },
    summary:
      newest === undefined
        ? `${name} has no backup yet, although one was due at ${time(due)}.`
        : `The newest backup of ${name} is ${span(now - newest.takenAt)} old; one was due at ${time(due)}.`,
    hint: `Look at its last run with \`nightjar status ${name}\`. Make a backup now with \`nightjar backup ${name}\`.`,
  };
}

function findFailedRun({ name, lastFinished, mistakes }: WatchFacts): Found | undefined {
  if (lastFinished?.failed !== true || mistakes.length > 0) return undefined;
  const { error } = lastFinished;
  return {
    ...{ rule: "run-failed", severity: "critical" },
    summary: `The last run of ${name} failed${error === null ? "." : `: ${error.message} [${error.code}]`}`,
    hint: error?.hint ?? `Make a backup now with \`nightjar backup ${name}\`.`,
  };
}

/**
 * Each backup that is bad is a problem of its own. An old one stays for its age, as evidence: after some days
 * nobody needs to be told of it again.
 */
function findBad({ name, bad, newest }: WatchFacts, now: number): Found[] {
  return bad
    .filter(({ id, foundAt }) => id === newest?.id || now - foundAt < BAD_TOLD)
    .slice(0, MOST_BAD)
    .map(({ id }) => ({
      ...{ rule: "proof-failed", subject: id },
      severity: id === newest?.id ? "critical" : "warning",
      summary: `Backup ${id} of ${name} was found bad: it does not restore to what was captured.`,
      hint: `Make a backup now with \`nightjar backup ${name}\`, and read what was found with \`nightjar proofs ${name} --backup ${id}\`.`,
    }));
}

function findUnverified(facts: WatchFacts, now: number): Found | undefined {
  const { name, schedule, delay, newest, verifiedAt, bad } = facts;
  if (newest === undefined || verifiedAt === newest.takenAt || bad[0]?.id === newest.id)
    return undefined;
  const due = nextMoment(schedule, verifiedAt ?? facts.firstSeenAt);
  if (due === undefined || now <= due + delay + GRACE) return undefined;
  return {
    ...{ rule: "unverified", severity: "warning" },
    summary: `The newest backup of ${name} was not read back yet, and the last one that was is overdue.`,
    hint: `Read it back now with \`nightjar verify ${name}\`.`,
  };
}

function findSizeChange(facts: WatchFacts): Found | undefined {
  const { name, comparison, limits, newest } = facts;
  if (comparison === undefined || newest === undefined) return undefined;
  const { before, bytes } = comparison;
  if (Math.max(before.bytes, bytes) < FEWEST_BYTES) return undefined;
  const percent = ((bytes - before.bytes) / Math.max(1, before.bytes)) * 100;
  const severity = severityOf(Math.abs(percent), limits.sizePercent);
  if (severity === undefined) return undefined;
  const change = `${percent < 0 ? "shrank" : "grew"} by ${Math.round(Math.abs(percent))} %`;
  return {
    ...{ rule: "size-changed", severity, subject: newest.id },
    summary: `${name} ${change} from one backup to the next: ${before.bytes} bytes before, ${bytes} now.`,
    hint: `Is that what you expect? Backup ${before.id} has what was there before.`,
  };
}

function findLostRows(facts: WatchFacts): Found | undefined {
  const { name, comparison, limits, newest } = facts;
  const judged = (comparison?.losses ?? []).flatMap((loss) => {
    const lost = loss.before - (loss.after ?? 0);
    if (lost < FEWEST_ROWS) return [];
    const percent = (lost / loss.before) * 100;
    const severity = severityOf(percent, limits.rowsPercent);
    return severity === undefined ? [] : [{ ...loss, percent, severity }];
  });
  const worst = judged.toSorted((a, b) => b.percent - a.percent)[0];
  if (worst === undefined || newest === undefined) return undefined;
  const { table, before, after, percent, severity } = worst;
  const words =
    after === null
      ? `Table ${table} of ${name}, which had ${before} rows, is gone.`
      : `Table ${table} of ${name} lost ${Math.round(percent)} % of its rows from one backup to the next: ${before} before, ${after} now.`;
  const others = judged.length === 1 ? "" : ` So did ${judged.length - 1} more.`;
  return {
    ...{ rule: "rows-dropped", severity, subject: newest.id },
    summary: words + others,
    hint: `Is that what you expect? Backup ${comparison!.before.id} has what was there before.`,
  };
}

function findLogBehind({ name, follow, firstSeenAt }: WatchFacts, now: number): Found | undefined {
  if (follow === undefined) return undefined;
  const { pace, checkedAt = firstSeenAt, error } = follow;
  // A follower slows down where nothing happens, and is late only after that.
  const behind = now - checkedAt;
  const most = Math.max(BEHIND, MISSED_PULLS * followPause(pace, Number.MAX_SAFE_INTEGER, 0));
  if (behind <= most) return undefined;
  return {
    ...{ rule: "log-behind", severity: behind > most + FAR_BEHIND ? "critical" : "warning" },
    summary: `The page log of ${name} is ${span(behind)} behind its source.${error === undefined ? "" : ` ${error}`}`,
    hint: `Ask for it now with \`nightjar log pull ${name}\`.`,
  };
}

function findLogLarge({ name, logBytes, limits }: WatchFacts): Found | undefined {
  if (logBytes <= limits.logBytes) return undefined;
  return {
    ...{ rule: "log-large", severity: "warning" },
    summary: `The page log of ${name} takes ${(logBytes / 1e9).toFixed(1)} GB, and ${(limits.logBytes / 1e9).toFixed(1)} GB are expected at most.`,
    hint: "Keep less of it with `retain.log`, or allow more with `alerts.log`.",
  };
}

function findMissed(
  { name }: WatchFacts,
  what: string,
  key: "rpo" | "rto",
  { state, objective, measured, predicted }: Objective,
): Found | undefined {
  if (state !== "missed" && state !== "at-risk") return undefined;
  const missed = state === "missed";
  const found = span((missed ? measured : predicted)!);
  return {
    ...{ rule: "objective", subject: key, severity: missed ? "critical" : "warning" },
    summary: `The ${what} of ${name} ${missed ? "is" : "is going to be"} ${found}, and ${span(objective!)} is the objective.`,
    hint:
      key === "rpo"
        ? "Back up more often (`schedule`), follow the database (`follow`), or allow more (`rpo`)."
        : "Make the database smaller, or allow more (`rto`).",
  };
}

function findFailedCopy({ name, copyError }: WatchFacts): Found | undefined {
  if (copyError === undefined) return undefined;
  return {
    ...{ rule: "copy-failed", severity: "warning" },
    summary: `The newest backup of ${name} has no second copy: ${copyError}`,
    hint: `Copy it now with \`nightjar copy ${name}\`.`,
  };
}

function findFailedRefresh({ name, refresh }: WatchFacts, now: number): Found | undefined {
  if (refresh === undefined || refresh.state === "done") return undefined;
  const { into, state, createdAt, error } = refresh;
  if (state !== "failed" && now - createdAt <= REFRESH_ENDS) return undefined;
  const why = error === null ? "" : ` ${error.message} [${error.code}]`;
  return {
    ...{ rule: "refresh-failed", severity: "warning" },
    summary:
      state === "failed"
        ? `The refresh of ${into} from ${name} failed:${why}`
        : `The refresh of ${into} from ${name} has not ended in ${span(now - createdAt)}.${why}`,
    hint: `${error?.hint ?? ""} It is done again with the next scheduled backup, or now with \`nightjar refresh ${name}\`.`.trim(),
  };
}

function findExpiringToken({ name, tokenExpiresAt }: WatchFacts, now: number): Found | undefined {
  if (tokenExpiresAt === undefined || tokenExpiresAt - now > EXPIRES_SOON) return undefined;
  const left = tokenExpiresAt - now;
  const when = left > 0 ? `expires in ${span(left)}` : `expired ${span(-left)} ago`;
  return {
    ...{ rule: "token-expiring", severity: left > EXPIRES_NOW ? "warning" : "critical" },
    summary: `The token of ${name}'s source ${when}.`,
    hint: "Make a new one, and put it in its secret: `npx wrangler secret put <NAME>`.",
  };
}

function findPinned({ name, pinned, keepLast }: WatchFacts): Found | undefined {
  if (pinned === 0 || keepLast > 0) return undefined;
  return {
    ...{ rule: "retention-pinning", severity: "warning" },
    summary: `${pinned === 1 ? "One backup" : `${pinned} backups`} of ${name} would be deleted by age, and nothing newer of the same tier takes the place: it is kept.`,
    hint: `Find out why there are no newer ones with \`nightjar list ${name}\`.`,
  };
}

function severityOf(
  value: number,
  [warn, critical]: readonly [number, number],
): Severity | undefined {
  if (value > critical) return "critical";
  return value > warn ? "warning" : undefined;
}

function time(moment: number): string {
  return new Date(moment).toISOString().slice(0, 16).replace("T", " ") + " UTC";
}
