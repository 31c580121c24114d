CREATE TABLE `objects` (
	`key` text PRIMARY KEY NOT NULL,
	`version` text,
	`sha256` text,
	`bytes` integer NOT NULL,
	`checked_at` integer
);
--> statement-breakpoint
CREATE INDEX `objects_by_check` ON `objects` (`checked_at`);