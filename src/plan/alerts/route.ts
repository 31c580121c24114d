import type { Problem, Rule, Severity } from "./alert.ts";

/** Which alerts a channel is sent, and when. */
export interface Route {
  readonly name: string;
  /** Names and patterns with `*`; undefined for all. */
  readonly databases: readonly string[] | undefined;
  /** The least severity. */
  readonly severity: Severity;
  /** Undefined for all. */
  readonly rules: readonly Rule[] | undefined;
  /** Hours of the day in which warnings wait, as `HH:MM-HH:MM`. */
  readonly quiet: string | undefined;
  readonly timezone: string;
  /** Interval of reminders, ms; undefined for none. */
  readonly remindMs: number | undefined;
}

/** Return true if a channel is told of a problem. What concerns all databases is told to every channel. */
export function takes(
  { name, databases, severity, rules }: Route,
  problem: Pick<Problem, "rule" | "severity" | "database" | "subject">,
): boolean {
  // A channel that is down is of no use to tell that it is.
  if (problem.rule === "channel-down" && problem.subject === name) return false;
  if (severity === "critical" && problem.severity === "warning") return false;
  if (rules !== undefined && !rules.includes(problem.rule)) return false;
  return (
    problem.database === null ||
    databases === undefined ||
    databases.some((pattern) => matches(pattern, problem.database!))
  );
}

/** Return true if a name matches a pattern, in which `*` stands for any characters. */
function matches(pattern: string, name: string): boolean {
  const [first, ...rest] = pattern.split("*") as [string, ...string[]];
  if (rest.length === 0) return first === name;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  const last = rest.pop()!;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}

/** Return true if warnings wait at `now` (ms). */
export function isQuiet(
  { quiet, timezone }: Pick<Route, "quiet" | "timezone">,
  now: number,
): boolean {
  if (quiet === undefined) return false;
  const [from, to] = quiet.split("-") as [string, string];
  const clock = new Intl.DateTimeFormat("en-GB", {
    ...{ hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: timezone },
  }).format(now);
  return from < to ? clock >= from && clock < to : clock >= from || clock < to;
}
