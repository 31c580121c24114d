import type { Actor } from "./actor.ts";

/** Every act that the audit records; docs/audit.md says what each means. */
export const ACTIONS = [
  "authentication",
  "backup",
  "run",
  "verify",
  "drill",
  "copy",
  "log-pull",
  "log-verify",
  "link",
  "link-revoke",
  "download",
  "query",
  "diff",
  "history",
  "restore",
  "refresh",
  "pin",
  "unpin",
  "erase",
  "erasure-withdraw",
  "prune",
  "reconcile",
  "rebuild",
  "token",
  "token-revoke",
  "approval",
  "alert-test",
  "configuration",
  "discovery",
] as const;
export type Action = (typeof ACTIONS)[number];

/** How an act ended. `started`: another row says how. `denied`: it was not allowed. */
export const OUTCOMES = ["started", "done", "failed", "denied"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Further facts of an act: numbers, and words that are no secrets. */
export type Detail = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** An act, as it is recorded. */
export interface Act {
  readonly by: Actor;
  readonly action: Action;
  readonly outcome: Outcome;
  readonly database?: string | undefined;
  /** The id of what it was done to. */
  readonly subject?: string | undefined;
  readonly detail?: Detail;
}

/** A row of the audit as it is stored. */
export interface AuditRow {
  readonly seq: number;
  /** ms */
  readonly at: number;
  readonly actor: string;
  readonly actorName: string;
  readonly action: Action;
  readonly outcome: Outcome;
  readonly database: string | null;
  readonly subject: string | null;
  /** JSON */
  readonly detail: string;
  readonly previous: string;
  readonly hash: string;
}

/** The end of the audit at one time, as the bucket keeps it. */
export interface AuditHead {
  readonly format: 1;
  /** The table's own id: one that was begun anew has another. */
  readonly chain: string;
  readonly seq: number;
  readonly hash: string;
  /** ISO 8601 */
  readonly at: string;
}
