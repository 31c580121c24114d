CREATE TABLE `approvals` (
	`id` text PRIMARY KEY NOT NULL,
	`action` text NOT NULL,
	`databases` text NOT NULL,
	`summary` text NOT NULL,
	`digest` text NOT NULL,
	`requested_by` text NOT NULL,
	`requested_by_name` text NOT NULL,
	`requested_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`decided_by` text,
	`decided_by_name` text,
	`decided_at` integer,
	`granted` integer,
	`used_at` integer
);
--> statement-breakpoint
CREATE INDEX `approvals_by_time` ON `approvals` (`requested_at`,`id`);