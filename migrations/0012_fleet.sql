CREATE TABLE `confirmations` (
	`backup_id` text NOT NULL,
	`tier` text NOT NULL,
	`database` text NOT NULL,
	`first_for` integer NOT NULL,
	`last_for` integer NOT NULL,
	`times` integer NOT NULL,
	`confirmed_at` integer NOT NULL,
	PRIMARY KEY(`backup_id`, `tier`)
);
--> statement-breakpoint
CREATE INDEX `confirmations_by_database` ON `confirmations` (`database`,`confirmed_at`);--> statement-breakpoint
CREATE TABLE `discovered` (
	`name` text PRIMARY KEY NOT NULL,
	`turso_id` text NOT NULL,
	`hostname` text NOT NULL,
	`group_name` text NOT NULL,
	`reads_blocked` integer NOT NULL,
	`delete_protected` integer NOT NULL,
	`cipher` text,
	`first_seen_at` integer NOT NULL,
	`gone_at` integer
);
--> statement-breakpoint
ALTER TABLE `databases` ADD `run_at` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `databases` ADD `drill_at` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `databases` ADD `watched_at` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `databases_by_run` ON `databases` (`run_at`);--> statement-breakpoint
CREATE INDEX `databases_by_drill` ON `databases` (`drill_at`);--> statement-breakpoint
CREATE INDEX `databases_by_watch` ON `databases` (`watched_at`);--> statement-breakpoint
CREATE INDEX `lineages_open` ON `lineages` (`database`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE INDEX `runs_active` ON `runs` (`database`) WHERE finished_at IS NULL;--> statement-breakpoint
CREATE INDEX `watches_by_first` ON `watches` (`first_seen_at`);