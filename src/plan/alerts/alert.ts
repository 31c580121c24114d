/** Everything that an alert can be about, with the severities that it may have. */
export const RULES = {
  /** The newest backup is older than its schedule allows. */
  late: "both",
  /** The last run failed. */
  "run-failed": "critical",
  /** A verify or a drill found a backup bad. */
  "proof-failed": "both",
  /** The newest backups were not read back in time. */
  unverified: "warning",
  /** A backup's size differs much from the one before. */
  "size-changed": "both",
  /** A table has lost many of its rows since the backup before. */
  "rows-dropped": "both",
  /** The page log of a followed database has fallen behind its source. */
  "log-behind": "both",
  /** The page log takes more room than it should. */
  "log-large": "warning",
  /** The recovery point or time is worse than the objective, or is about to be. */
  objective: "both",
  /** The second copy of the newest backup failed. */
  "copy-failed": "warning",
  /** The last refresh of the database that `refresh` names failed, or does not end. */
  "refresh-failed": "warning",
  /** The configuration is wrong, and nothing is done for the database. */
  misconfigured: "critical",
  /** The source's token expires soon, or has expired. */
  "token-expiring": "both",
  /** Old backups are kept past their age, as nothing newer takes their place. */
  "retention-pinning": "warning",
  /** A channel takes no messages. */
  "channel-down": "warning",
  /** The night's work failed. */
  "night-failed": "critical",
  /** Turso's list of databases could not be read. */
  "discovery-failed": "both",
  /** Turso lists databases no longer. */
  "databases-gone": "warning",
  /** Somebody restores into a server. */
  "restore-requested": "warning",
  /** Somebody waits for a second person's approval. */
  "approval-requested": "warning",
  /** A message that somebody asked for, to see whether it arrives. It is no incident. */
  test: "warning",
} as const satisfies Record<string, Severity | "both">;

export type Rule = keyof typeof RULES;
export type Severity = "warning" | "critical";
export const SEVERITIES = ["warning", "critical"] as const;
export const RULE_NAMES = Object.keys(RULES) as [Rule, ...Rule[]];

/** What is wrong now. The same problem has the same rule, database and subject as long as it lasts. */
export interface Problem {
  readonly rule: Rule;
  readonly severity: Severity;
  /** Null for one that concerns all. */
  readonly database: string | null;
  /** Tells problems of one rule and database apart; "" where there can be only one. */
  readonly subject: string;
  /** One sentence: what is wrong with what. It holds no secret. */
  readonly summary: string;
  /** What to do now. */
  readonly hint: string;
}

/**
 * Why a message is sent: an incident was opened, has become critical, is still open, was closed; or
 * something happened that has no end.
 */
export type MessageKind = "opened" | "worse" | "reminder" | "closed" | "notice";

/** What a channel sends, in its own form. */
export interface Message {
  /** Unique, and the same each time that the message is sent: receivers can leave out what they have. */
  readonly id: string;
  readonly incident: string;
  readonly kind: MessageKind;
  readonly rule: Rule;
  readonly severity: Severity;
  readonly database: string | null;
  readonly summary: string;
  readonly hint: string;
  /** Moments in ISO 8601. */
  readonly openedAt: string;
  readonly at: string;
}
