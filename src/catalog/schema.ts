import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { ErrorReport } from "../errors.ts";
import type { Manifest } from "../manifest.ts";
import type { Tier } from "../plan/tier.ts";

export type Trigger = "cron" | "api" | "deploy";

export type RunState = "queued" | "capturing" | "storing" | "done" | "failed";
export const ACTIVE_STATES: readonly RunState[] = ["queued", "capturing", "storing"];

const moment = (name: string) => integer(name); // ms since the epoch

/** What the planner remembers of a database. */
export const databases = sqliteTable("databases", {
  name: text().primaryKey(),
  /** When the cron last looked at it: every scheduled moment up to then is dealt with. */
  lastLookAt: moment("last_look_at").notNull(),
});

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
    /** Bytes of the dump read and of the compressed dump stored, so far. */
    rawBytes: integer("raw_bytes").notNull().default(0),
    storedBytes: integer("stored_bytes").notNull().default(0),
    /** Why the last attempt failed. */
    error: text({ mode: "json" }).$type<ErrorReport>(),
    backupId: text("backup_id"),
    createdAt: moment("created_at").notNull(),
    startedAt: moment("started_at"),
    updatedAt: moment("updated_at").notNull(),
    finishedAt: moment("finished_at"),
  },
  (table) => [index("runs_by_database").on(table.database, table.createdAt)],
);

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
  },
  (table) => [index("backups_by_database").on(table.database, table.takenAt, table.id)],
);

/** Uploads under way: what a killed run leaves in the bucket is found here. */
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

/** Download links that were handed out. The link itself is signed; the row lets it be revoked. */
export const links = sqliteTable("links", {
  id: text().primaryKey(),
  backupId: text("backup_id").notNull(),
  format: text().notNull(),
  createdAt: moment("created_at").notNull(),
  expiresAt: moment("expires_at").notNull(),
  revokedAt: moment("revoked_at"),
});
