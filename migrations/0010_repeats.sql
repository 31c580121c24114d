CREATE TABLE `repeats` (
	`key` text PRIMARY KEY NOT NULL,
	`request` text NOT NULL,
	`created_at` integer NOT NULL,
	`status` integer,
	`body` text,
	`location` text
);
--> statement-breakpoint
CREATE INDEX `repeats_by_time` ON `repeats` (`created_at`);