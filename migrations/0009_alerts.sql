CREATE TABLE `beats` (
	`name` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`error` text
);
--> statement-breakpoint
CREATE TABLE `deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`incident` text NOT NULL,
	`channel` text NOT NULL,
	`kind` text NOT NULL,
	`message` text NOT NULL,
	`created_at` integer NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`next_try_at` integer NOT NULL,
	`taken_until` integer DEFAULT 0 NOT NULL,
	`error` text,
	`failed_at` integer,
	`delivered_at` integer,
	`abandoned_at` integer
);
--> statement-breakpoint
CREATE INDEX `deliveries_pending` ON `deliveries` (`channel`,`created_at`) WHERE delivered_at IS NULL AND abandoned_at IS NULL;--> statement-breakpoint
CREATE INDEX `deliveries_by_incident` ON `deliveries` (`incident`);--> statement-breakpoint
CREATE INDEX `deliveries_by_channel` ON `deliveries` (`channel`,`delivered_at`);--> statement-breakpoint
CREATE TABLE `incidents` (
	`id` text PRIMARY KEY NOT NULL,
	`rule` text NOT NULL,
	`database` text NOT NULL,
	`subject` text NOT NULL,
	`severity` text NOT NULL,
	`summary` text NOT NULL,
	`hint` text NOT NULL,
	`opened_at` integer NOT NULL,
	`closed_at` integer,
	`reminded_at` integer NOT NULL,
	`told` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `incidents_open` ON `incidents` (`rule`,`database`,`subject`) WHERE closed_at IS NULL;--> statement-breakpoint
CREATE INDEX `incidents_by_time` ON `incidents` (`opened_at`,`id`);--> statement-breakpoint
CREATE TABLE `repeats` (
	`key` text PRIMARY KEY NOT NULL,
	`request` text NOT NULL,
	`created_at` integer NOT NULL,
	`status` integer,
	`body` text,
	`location` text
);
--> statement-breakpoint
CREATE INDEX `repeats_by_time` ON `repeats` (`created_at`);--> statement-breakpoint
CREATE TABLE `watches` (
	`database` text PRIMARY KEY NOT NULL,
	`first_seen_at` integer NOT NULL,
	`compared_backup` text,
	`comparison` text,
	`log_bytes` integer DEFAULT 0 NOT NULL,
	`log_measured_at` integer DEFAULT 0 NOT NULL,
	`log_from` integer
);
--> statement-breakpoint
CREATE INDEX `backups_known_bad` ON `backups` (`database`,`taken_at`) WHERE json_extract(verification, '$.outcome') = 'corrupt' OR json_extract(drill, '$.outcome') = 'failed';--> statement-breakpoint
CREATE INDEX `backups_kept_past_age` ON `backups` (`database`) WHERE json_extract(manifest, '$.pin.by') = 'policy';--> statement-breakpoint
CREATE INDEX `runs_by_end` ON `runs` (`database`,`finished_at`);