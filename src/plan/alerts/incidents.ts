import type { MessageKind, Problem, Rule, Severity } from "./alert.ts";
import { type Route, takes } from "./route.ts";

/** A problem that was told of, until it is over. Moments in ms. */
export interface Incident extends Problem {
  readonly id: string;
  readonly openedAt: number;
  readonly closedAt: number | null;
  /** When reminders were last considered. */
  readonly remindedAt: number;
  /** The channels that were told of it. */
  readonly told: readonly string[];
}

/** A message to a channel. */
export interface Telling {
  readonly channel: string;
  readonly kind: MessageKind;
}

/** What happens to an incident, and what is told of it. `problem` has its severity and words of now. */
export type Change =
  | { readonly does: "open"; readonly problem: Problem; readonly tell: readonly Telling[] }
  | {
      readonly does: "update" | "close";
      readonly incident: Incident;
      readonly problem: Problem;
      readonly tell: readonly Telling[];
    };

/** Return what the same problem has in common at all times. */
export function problemKey({
  rule,
  database,
  subject,
}: Pick<Problem, "rule" | "database" | "subject">): string {
  return JSON.stringify([rule, database, subject]);
}

/**
 * Compare the open incidents with the problems of now. A channel is told of an incident once when it is
 * opened, once when it becomes critical, at its interval while it is open, and once when it is over.
 *
 * @param isKnown true for databases of which something is known now: incidents of others stay as they are
 */
export function changesOf(
  open: readonly Incident[],
  problems: readonly Problem[],
  routes: readonly Route[],
  isKnown: (database: string) => boolean,
  now: number,
): Change[] {
  const known = new Map(open.map((incident) => [problemKey(incident), incident]));
  const present = new Set(problems.map(problemKey));
  const changes = problems.flatMap((problem): Change[] => {
    const incident = known.get(problemKey(problem));
    const told = routes.filter((route) => takes(route, problem));
    if (incident !== undefined) return changeOf(incident, problem, told, now);
    const tell = told.map(({ name }) => ({ channel: name, kind: "opened" as const }));
    return [{ does: "open", problem, tell }];
  });
  for (const incident of open) {
    if (present.has(problemKey(incident))) continue;
    if (incident.database !== null && !isKnown(incident.database)) continue;
    const tell = incident.told.map((channel) => ({ channel, kind: "closed" as const }));
    changes.push({ does: "close", incident, problem: incident, tell });
  }
  return changes;
}

/** What is new about an incident that is still open. One that has become less severe stays what it was. */
function changeOf(
  incident: Incident,
  problem: Problem,
  routes: readonly Route[],
  now: number,
): Change[] {
  const worse = incident.severity === "warning" && problem.severity === "critical";
  const severity = worse ? "critical" : incident.severity;
  const tell = routes.flatMap(({ name: channel, remindMs }): Telling[] => {
    // A channel that is new, was wrong until now, or takes only what is critical.
    if (!incident.told.includes(channel)) return [{ channel, kind: "opened" }];
    if (worse) return [{ channel, kind: "worse" }];
    if (remindMs === undefined) return [];
    const times = (until: number) => Math.floor((until - incident.openedAt) / remindMs);
    return times(now) > times(incident.remindedAt) ? [{ channel, kind: "reminder" }] : [];
  });
  if (!worse && tell.length === 0) return [];
  return [{ does: "update", incident, problem: { ...problem, severity }, tell }];
}

const WORDS: Readonly<Record<Rule, string>> = {
  late: "backup is late",
  "run-failed": "backup failed",
  "proof-failed": "backup is bad",
  unverified: "backup not verified",
  "size-changed": "size changed",
  "rows-dropped": "rows are gone",
  "log-behind": "page log is behind",
  "log-large": "page log is large",
  objective: "objective not met",
  "copy-failed": "second copy failed",
  "refresh-failed": "refresh failed",
  misconfigured: "configuration is wrong",
  "token-expiring": "token expires",
  "retention-pinning": "old backups are kept",
  "channel-down": "alerts do not arrive",
  "night-failed": "the night's work failed",
  "discovery-failed": "databases could not be listed",
  "databases-gone": "databases are gone",
  "restore-requested": "restore started",
  "approval-requested": "approval wanted",
  test: "test",
};

/** Return a headline for people: `shop: backup is late`. */
export function headline({ rule, database }: { rule: Rule; database: string | null }): string {
  return `${database ?? "Nightjar"}: ${WORDS[rule]}`;
}

const MARKS: Readonly<Record<MessageKind, string>> = {
  opened: "",
  worse: "Worse: ",
  reminder: "Still: ",
  closed: "Over: ",
  notice: "",
};

/** Return the first line of a message. */
export function titleOf(message: {
  kind: MessageKind;
  rule: Rule;
  severity: Severity;
  database: string | null;
}): string {
  return `${MARKS[message.kind]}${headline(message)}`;
}
