CREATE TABLE `follows` (
	`database` text PRIMARY KEY NOT NULL,
	`tried_at` integer NOT NULL,
	`failures` integer NOT NULL,
	`idle` integer NOT NULL,
	`error` text
);
--> statement-breakpoint
CREATE TABLE `lineages` (
	`id` text PRIMARY KEY NOT NULL,
	`database` text NOT NULL,
	`why` text NOT NULL,
	`page_size` integer NOT NULL,
	`page_count` integer NOT NULL,
	`cursor` text NOT NULL,
	`txid` integer NOT NULL,
	`began_at` integer NOT NULL,
	`committed_at` integer NOT NULL,
	`checked_at` integer NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE INDEX `lineages_by_database` ON `lineages` (`database`,`began_at`);--> statement-breakpoint
CREATE TABLE `methods` (
	`database` text PRIMARY KEY NOT NULL,
	`url` text NOT NULL,
	`method` text NOT NULL,
	`probed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `segments` (
	`key` text PRIMARY KEY NOT NULL,
	`lineage` text NOT NULL,
	`database` text NOT NULL,
	`level` integer NOT NULL,
	`min_txid` integer NOT NULL,
	`max_txid` integer NOT NULL,
	`at` integer NOT NULL,
	`page_count` integer NOT NULL,
	`pages` integer NOT NULL,
	`bytes` integer NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `segments_by_lineage` ON `segments` (`lineage`,`level`,`min_txid`);--> statement-breakpoint
CREATE INDEX `segments_by_database` ON `segments` (`database`,`at`);