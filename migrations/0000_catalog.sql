CREATE TABLE `backups` (
	`id` text PRIMARY KEY NOT NULL,
	`run_id` text NOT NULL,
	`database` text NOT NULL,
	`tier` text NOT NULL,
	`taken_at` integer NOT NULL,
	`manifest` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `backups_run_id_unique` ON `backups` (`run_id`);--> statement-breakpoint
CREATE INDEX `backups_by_database` ON `backups` (`database`,`taken_at`,`id`);--> statement-breakpoint
CREATE TABLE `databases` (
	`name` text PRIMARY KEY NOT NULL,
	`last_look_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `links` (
	`id` text PRIMARY KEY NOT NULL,
	`backup_id` text NOT NULL,
	`format` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`database` text NOT NULL,
	`trigger` text NOT NULL,
	`tier` text NOT NULL,
	`name` text,
	`labels` text NOT NULL,
	`scheduled_for` integer,
	`state` text NOT NULL,
	`attempt` integer DEFAULT 0 NOT NULL,
	`raw_bytes` integer DEFAULT 0 NOT NULL,
	`stored_bytes` integer DEFAULT 0 NOT NULL,
	`error` text,
	`backup_id` text,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`updated_at` integer NOT NULL,
	`finished_at` integer
);
--> statement-breakpoint
CREATE INDEX `runs_by_database` ON `runs` (`database`,`created_at`);--> statement-breakpoint
CREATE TABLE `uploads` (
	`key` text PRIMARY KEY NOT NULL,
	`manifest_key` text NOT NULL,
	`upload_id` text NOT NULL,
	`run_id` text NOT NULL,
	`database` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `uploads_by_database` ON `uploads` (`database`);