import { sql } from "drizzle-orm";
import {
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";
import type { Action, Outcome } from "../model/audit.ts";
import type { Choice } from "../model/choice.ts";
import type { CopyState } from "../model/copy.ts";
import type { ErrorReport } from "../errors/errors.ts";
import type { Manifest, Method, PageCursor, Trigger } from "../model/manifest.ts";
import type { Message, MessageKind, Rule, Severity } from "../plan/alerts/alert.ts";
import type { Comparison } from "../plan/alerts/problems.ts";
import type { Scope } from "../plan/access.ts";
import type { Tier } from "../plan/tier.ts";
import type { ProofSummary } from "../model/proof.ts";
import type { RefreshState, RefreshTrigger } from "../model/refresh.ts";
import type { RunState } from "../model/run-state.ts";

const moment = (name: string) => integer(name); // ms since the epoch

/** The planner's state for each protected database. */
export const databases = sqliteTable(
  "databases",
  {
    name: text().primaryKey(),
    /** Time at which the cron last looked at it: every scheduled moment up to then is dealt with. */
    lastLookAt: moment("last_look_at").notNull(),
    /** Times at which its next run and its next drill are due; 0 until they are planned. */
    runAt: moment("run_at").notNull().default(0),
    drillAt: moment("drill_at").notNull().default(0),
    /** Time at which the watch last looked at it; 0 after something has happened to it. */
    watchedAt: moment("watched_at").notNull().default(0),
  },
  (table) => [
    index("databases_by_run").on(table.runAt),
    index("databases_by_drill").on(table.drillAt),
    index("databases_by_watch").on(table.watchedAt),
  ],
);

/** The databases of the organization that `TURSO` names, as its list last had them. */
export const discovered = sqliteTable("discovered", {
  name: text().primaryKey(),
  /** Turso's own id: another one under the same name is another database. */
  tursoId: text("turso_id").notNull(),
  hostname: text().notNull(),
  group: text("group_name").notNull(),
  /** True if Turso refuses to read it. */
  readsBlocked: integer("reads_blocked", { mode: "boolean" }).notNull(),
  /** True if Turso refuses to delete it. */
  deleteProtected: integer("delete_protected", { mode: "boolean" }).notNull(),
  /** The cipher with which Turso keeps it encrypted under a key of the customer's; null if it does not. */
  cipher: text(),
  firstSeenAt: moment("first_seen_at").notNull(),
  /** Time at which the list no longer had it; null while it has. */
  goneAt: moment("gone_at"),
});

/** Backups that were found to be the present state of their database when the next one was due. */
export const confirmations = sqliteTable(
  "confirmations",
  {
    backupId: text("backup_id").notNull(),
    /** The tier that the backup would have had that was not made. */
    tier: text().$type<Tier>().notNull(),
    database: text().notNull(),
    /** The first and the last scheduled moment for which it stands. */
    firstFor: moment("first_for").notNull(),
    lastFor: moment("last_for").notNull(),
    /** Scheduled moments for which it stands. */
    times: integer().notNull(),
    /** Time before which the server was last asked: nothing was committed until then. */
    confirmedAt: moment("confirmed_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.backupId, table.tier] }),
    index("confirmations_by_database").on(table.database, table.confirmedAt),
  ],
);

/** The method of reading each database, as found when its server was last asked. */
export const methods = sqliteTable("methods", {
  database: text().primaryKey(),
  /** The address that was asked: a server at another one is asked again. */
  url: text().notNull(),
  method: text({ mode: "json" }).$type<Method>().notNull(),
  probedAt: moment("probed_at").notNull(),
});

/** The state of following each database. */
export const follows = sqliteTable("follows", {
  database: text().primaryKey(),
  /** Time of the last try. */
  triedAt: moment("tried_at").notNull(),
  /** Failed tries since the last one that succeeded. */
  failures: integer().notNull(),
  /** Tries in a row that found nothing new. */
  idle: integer().notNull(),
  /** The error of the last try, if it failed. */
  error: text({ mode: "json" }).$type<ErrorReport>(),
});

/** The page log of each database: its unbroken histories, the newest of them open. */
export const lineages = sqliteTable(
  "lineages",
  {
    /** `<yyyymmddThhmmssZ>-<id>`, as in the keys of its segments. */
    id: text().primaryKey(),
    database: text().notNull(),
    /** The reason for beginning it. */
    why: text().notNull(),
    pageSize: integer("page_size").notNull(),
    /** Pages of the database after the last segment. */
    pageCount: integer("page_count").notNull(),
    /** The place in the source's history where the next pull begins. */
    cursor: text({ mode: "json" }).$type<PageCursor>().notNull(),
    /** The newest transaction in the log. */
    txid: integer().notNull(),
    beganAt: moment("began_at").notNull(),
    /** Time of the newest commit. */
    committedAt: moment("committed_at").notNull(),
    /** Time at which the source was last asked: nothing was committed between the newest commit and then. */
    checkedAt: moment("checked_at").notNull(),
    /** Time at which it ended; null while it is open. */
    endedAt: moment("ended_at"),
  },
  (table) => [
    index("lineages_by_database").on(table.database, table.beganAt),
    index("lineages_open")
      .on(table.database)
      .where(sql`ended_at IS NULL`),
  ],
);

/** The files of the log: one row for each LTX object in the bucket. */
export const segments = sqliteTable(
  "segments",
  {
    key: text().primaryKey(),
    lineage: text().notNull(),
    database: text().notNull(),
    /** 0 as pulled, 1 for an hour, 2 for a day, 9 for a whole database. */
    level: integer().notNull(),
    minTxid: integer("min_txid").notNull(),
    maxTxid: integer("max_txid").notNull(),
    /** Time of the newest commit in it: the latest possible one, by the Worker's clock. */
    at: moment("at").notNull(),
    /** The commit may have been made up to this many ms earlier; null if that was not kept. */
    uncertainty: integer(),
    /** Lead of the server's clock, ms; null if its time was not needed or not reported. */
    clockOffset: integer("clock_offset"),
    /** Pages of the database after this segment. */
    pageCount: integer("page_count").notNull(),
    /** Pages in this segment. */
    pages: integer().notNull(),
    bytes: integer().notNull(),
    createdAt: moment("created_at").notNull(),
  },
  (table) => [
    index("segments_by_lineage").on(table.lineage, table.level, table.minTxid),
    index("segments_by_database").on(table.database, table.at),
  ],
);

/** Attempts to make a backup. */
export const runs = sqliteTable(
  "runs",
  {
    /** Also the Workflow instance's id. */
    id: text().primaryKey(),
    database: text().notNull(),
    trigger: text().$type<Trigger>().notNull(),
    tier: text().$type<Tier>().notNull(),
    name: text(),
    labels: text({ mode: "json" }).$type<Record<string, string>>().notNull(),
    /** The scheduled moment, for runs of the cron. */
    scheduledFor: moment("scheduled_for"),
    state: text().$type<RunState>().notNull(),
    /** Attempts begun so far. */
    attempt: integer().notNull().default(0),
    /** Bytes of the dump or snapshot read, and of its compressed form stored, so far. */
    rawBytes: integer("raw_bytes").notNull().default(0),
    storedBytes: integer("stored_bytes").notNull().default(0),
    /** The error of the last attempt that failed. */
    error: text({ mode: "json" }).$type<ErrorReport>(),
    backupId: text("backup_id"),
    createdAt: moment("created_at").notNull(),
    startedAt: moment("started_at"),
    updatedAt: moment("updated_at").notNull(),
    finishedAt: moment("finished_at"),
  },
  (table) => [
    index("runs_by_database").on(table.database, table.createdAt),
    index("runs_by_end").on(table.database, table.finishedAt),
    index("runs_active")
      .on(table.database)
      .where(sql`finished_at IS NULL`),
  ],
);

/**
 * Conditions on a backup, by its proofs. A column has no table before it, so that they hold in a query over
 * another name of the table too; a query with the words of a partial index uses the index.
 */
export const IS_VERIFIED = sql`json_extract(verification, '$.outcome') = 'verified' AND json_extract(drill, '$.outcome') IS NOT 'failed'`;
export const IS_DRILLED = sql`json_extract(drill, '$.outcome') = 'passed' AND json_extract(verification, '$.outcome') IS NOT 'corrupt'`;
export const IS_KNOWN_BAD = sql`json_extract(verification, '$.outcome') = 'corrupt' OR json_extract(drill, '$.outcome') = 'failed'`;
export const IS_KEPT_PAST_AGE = sql`json_extract(manifest, '$.pin.by') = 'policy'`;

/** Complete backups: one row for each manifest in the bucket, and its text in `manifest`. */
export const backups = sqliteTable(
  "backups",
  {
    id: text().primaryKey(),
    runId: text("run_id").notNull().unique(),
    database: text().notNull(),
    tier: text().$type<Tier>().notNull(),
    takenAt: moment("taken_at").notNull(),
    manifest: text({ mode: "json" }).$type<Manifest>().notNull(),
    /** Summaries of the newest verify and of the newest drill; null before the first. */
    verification: text({ mode: "json" }).$type<ProofSummary>(),
    drill: text({ mode: "json" }).$type<ProofSummary>(),
    /** The state of its second copy; null before the first attempt. */
    copy: text({ mode: "json" }).$type<CopyState>(),
  },
  (table) => [
    index("backups_by_database").on(table.database, table.takenAt, table.id),
    index("backups_known_bad").on(table.database, table.takenAt).where(IS_KNOWN_BAD),
    index("backups_kept_past_age").on(table.database).where(IS_KEPT_PAST_AGE),
  ],
);

/**
 * The objects that Nightjar wrote to the bucket, as R2 answered. Somebody who can write to the bucket
 * cannot write here, and cannot choose the version of an object, so the objects in the bucket are
 * checked against these rows.
 */
export const objects = sqliteTable(
  "objects",
  {
    key: text().primaryKey(),
    /** R2's own id of the write; null until the object has been read whole and compared. */
    version: text(),
    /** SHA-256 of the bytes, hexadecimal; null until an object whose origin was accepted is read whole. */
    sha256: text(),
    bytes: integer().notNull(),
    /** Time at which it was last read whole and compared; null for never. */
    checkedAt: moment("checked_at"),
  },
  (table) => [index("objects_by_check").on(table.checkedAt)],
);

/** Uploads under way. They identify what a killed run leaves in the bucket. */
export const uploads = sqliteTable(
  "uploads",
  {
    key: text().primaryKey(),
    manifestKey: text("manifest_key").notNull(),
    uploadId: text("upload_id").notNull(),
    runId: text("run_id").notNull(),
    database: text().notNull(),
  },
  (table) => [index("uploads_by_database").on(table.database)],
);

/** Download links that were issued. The link itself is signed; the row allows it to be revoked. */
export const links = sqliteTable("links", {
  id: text().primaryKey(),
  /**
   * The backup, by its id, or the moment of a log, as `log/<database>/<lineage>/<txid>`, that the link
   * opens.
   */
  subject: text("backup_id").notNull(),
  /** Null for links of Nightjar 0.1. */
  database: text(),
  format: text().notNull(),
  createdAt: moment("created_at").notNull(),
  /** The actor that made it, as in the audit; null for links of Nightjar 0.1. */
  createdBy: text("created_by"),
  expiresAt: moment("expires_at").notNull(),
  revokedAt: moment("revoked_at"),
  /** Number of downloads that it gives, and that it has given; null for any number. */
  maxUses: integer("max_uses"),
  uses: integer().notNull().default(0),
  /** The only address that may use it, as attempts are counted; null for any. */
  address: text(),
  /** The part of the database that it gives; null for all of it. */
  choice: text({ mode: "json" }).$type<Choice>(),
});

/** Tokens of the API, apart from ADMIN_TOKEN. */
export const tokens = sqliteTable("tokens", {
  id: text().primaryKey(),
  name: text().notNull(),
  /** SHA-256 of the whole token, hexadecimal. The token itself is shown once and stored nowhere. */
  hash: text().notNull(),
  scopes: text({ mode: "json" }).$type<Scope[]>().notNull(),
  /** The databases that it reaches; null for all. */
  databases: text({ mode: "json" }).$type<string[]>(),
  createdAt: moment("created_at").notNull(),
  /** The actor that made it, as in the audit. */
  createdBy: text("created_by").notNull(),
  expiresAt: moment("expires_at"),
  /** Time of its last use, to the minute. */
  lastUsedAt: moment("last_used_at"),
  revokedAt: moment("revoked_at"),
});

/**
 * Everything that was done: a chain of rows, each with the hash of the one before. Triggers of the
 * migration refuse to change or to delete a row.
 */
export const audit = sqliteTable(
  "audit",
  {
    /** 1, 2, 3, … without a gap. */
    seq: integer().primaryKey(),
    at: moment("at").notNull(),
    /** `root`, `token:<id>`, `access:<address>`, `link:<id>`, `nightjar` or `anonymous`. */
    actor: text().notNull(),
    /** The actor's name for people. */
    actorName: text("actor_name").notNull(),
    action: text().$type<Action>().notNull(),
    outcome: text().$type<Outcome>().notNull(),
    database: text(),
    /** The id of what it was done to. */
    subject: text(),
    /** Further facts: an object of JSON, as it was hashed. */
    detail: text().notNull(),
    /** Hash of the row before; of the first row the chain's id. */
    previous: text().notNull(),
    hash: text().notNull(),
  },
  (table) => [
    index("audit_by_database").on(table.database, table.seq),
    index("audit_by_action").on(table.action, table.seq),
    index("audit_by_actor").on(table.actor, table.seq),
  ],
);

/** The end of the audit, by which a removed last row is noticed. One row. */
export const auditEnds = sqliteTable("audit_ends", {
  id: integer().primaryKey(),
  /** Random; each table that was begun anew has another one. */
  chain: text().notNull(),
  seq: integer().notNull(),
  hash: text().notNull(),
  /** HMAC over the three by the signing key. */
  mac: text().notNull(),
});

/** Requests with an `Idempotency-Key`, and what they were answered. */
export const repeats = sqliteTable(
  "repeats",
  {
    /** SHA-256 of the caller and the key. */
    key: text().primaryKey(),
    /** SHA-256 of what was asked for. */
    request: text().notNull(),
    createdAt: moment("created_at").notNull(),
    /** The answer; null until there is one. */
    status: integer(),
    /** Its JSON; null if it was not kept. */
    body: text(),
    location: text(),
  },
  (table) => [index("repeats_by_time").on(table.createdAt)],
);

/** Acts on protected databases that wait for a second person, and those that did. */
export const approvals = sqliteTable(
  "approvals",
  {
    id: text().primaryKey(),
    action: text().$type<Action>().notNull(),
    /** The protected databases that it concerns. */
    databases: text({ mode: "json" }).$type<string[]>().notNull(),
    /** What is asked for, for people. */
    summary: text().notNull(),
    /** HMAC over the request by the signing key: the approval is for this request and no other. */
    digest: text().notNull(),
    requestedBy: text("requested_by").notNull(),
    requestedByName: text("requested_by_name").notNull(),
    requestedAt: moment("requested_at").notNull(),
    expiresAt: moment("expires_at").notNull(),
    decidedBy: text("decided_by"),
    decidedByName: text("decided_by_name"),
    decidedAt: moment("decided_at"),
    /** Null until somebody decides. */
    granted: integer({ mode: "boolean" }),
    usedAt: moment("used_at"),
  },
  (table) => [index("approvals_by_time").on(table.requestedAt, table.id)],
);

/** Restores of scheduled backups into the database that `refresh` names. */
export const refreshes = sqliteTable(
  "refreshes",
  {
    /** Also the Workflow instance's id. */
    id: text().primaryKey(),
    database: text().notNull(),
    into: text().notNull(),
    /** The target's address then: what another address holds was not put there by Nightjar. */
    url: text().notNull(),
    namespace: text(),
    trigger: text().$type<RefreshTrigger>().notNull(),
    backup: text().notNull(),
    /** When the backup was taken, and the last commit in it. */
    takenAt: moment("taken_at").notNull(),
    asOf: moment("as_of").notNull(),
    sanitized: integer({ mode: "boolean" }).notNull(),
    state: text().$type<RefreshState>().notNull(),
    /** Attempts begun so far. */
    attempt: integer().notNull().default(0),
    createdAt: moment("created_at").notNull(),
    startedAt: moment("started_at"),
    endedAt: moment("ended_at"),
    /** Tables and rows that were compared in the target. */
    tables: integer(),
    rows: integer(),
    /** The backup of what the target held before; null if there was none to make. */
    saved: text(),
    /** The error of the last attempt that failed. */
    error: text({ mode: "json" }).$type<ErrorReport>(),
  },
  (table) => [index("refreshes_by_database").on(table.database, table.createdAt)],
);

/** What was found out once about each watched database, so that it is not found out every minute. */
export const watches = sqliteTable(
  "watches",
  {
    database: text().primaryKey(),
    /** Time at which it was first watched. */
    firstSeenAt: moment("first_seen_at").notNull(),
    /** The backup that was last compared with the one before it, and what was found. */
    comparedBackup: text("compared_backup"),
    comparison: text({ mode: "json" }).$type<Comparison>(),
    /** Bytes of its page log, and the time at which they were added up. */
    logBytes: integer("log_bytes").notNull().default(0),
    logMeasuredAt: moment("log_measured_at").notNull().default(0),
    /** The oldest moment that the page log can restore; null if there is none. */
    logFrom: moment("log_from"),
  },
  (table) => [index("watches_by_first").on(table.firstSeenAt)],
);

/** Work that is done again and again: when it last ended, and how. */
export const beats = sqliteTable("beats", {
  /** `minute` or `night`. */
  name: text().primaryKey(),
  at: moment("at").notNull(),
  /** The error of the last time, if it failed. */
  error: text({ mode: "json" }).$type<ErrorReport>(),
});

/** Problems that were told of. */
export const incidents = sqliteTable(
  "incidents",
  {
    id: text().primaryKey(),
    rule: text().$type<Rule>().notNull(),
    /** Empty where it concerns all databases: SQLite takes two NULLs as different. */
    database: text().notNull(),
    subject: text().notNull(),
    severity: text().$type<Severity>().notNull(),
    summary: text().notNull(),
    hint: text().notNull(),
    openedAt: moment("opened_at").notNull(),
    /** Null while it is open. */
    closedAt: moment("closed_at"),
    remindedAt: moment("reminded_at").notNull(),
    /** The channels that were told of it. */
    told: text({ mode: "json" }).$type<string[]>().notNull(),
  },
  (table) => [
    // Two that watch at once open one incident.
    uniqueIndex("incidents_open")
      .on(table.rule, table.database, table.subject)
      .where(sql`closed_at IS NULL`),
    index("incidents_by_time").on(table.openedAt, table.id),
  ],
);

/** Messages to channels: entered with the incident that they tell of, and sent until they have arrived. */
export const deliveries = sqliteTable(
  "deliveries",
  {
    /** `<incident>.<channel>.<kind>`, so that the same message is entered once. */
    id: text().primaryKey(),
    incident: text().notNull(),
    channel: text().notNull(),
    kind: text().$type<MessageKind>().notNull(),
    message: text({ mode: "json" }).$type<Message>().notNull(),
    createdAt: moment("created_at").notNull(),
    /** Tries begun, and the time before which there is no other one. */
    attempts: integer().notNull().default(0),
    nextTryAt: moment("next_try_at").notNull(),
    /** Somebody is sending it until then. */
    takenUntil: moment("taken_until").notNull().default(0),
    /** The error of the last try that failed, and the time of the first one. */
    error: text({ mode: "json" }).$type<ErrorReport>(),
    failedAt: moment("failed_at"),
    /** Time at which the channel took it. */
    deliveredAt: moment("delivered_at"),
    /** Time at which it was given up. */
    abandonedAt: moment("abandoned_at"),
  },
  (table) => [
    index("deliveries_pending")
      .on(table.channel, table.createdAt)
      .where(sql`delivered_at IS NULL AND abandoned_at IS NULL`),
    index("deliveries_by_incident").on(table.incident),
    index("deliveries_by_channel").on(table.channel, table.deliveredAt),
  ],
);
