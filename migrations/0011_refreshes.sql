CREATE TABLE `refreshes` (
	`id` text PRIMARY KEY NOT NULL,
	`database` text NOT NULL,
	`into` text NOT NULL,
	`url` text NOT NULL,
	`namespace` text,
	`trigger` text NOT NULL,
	`backup` text NOT NULL,
	`taken_at` integer NOT NULL,
	`as_of` integer NOT NULL,
	`sanitized` integer NOT NULL,
	`state` text NOT NULL,
	`attempt` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`ended_at` integer,
	`tables` integer,
	`rows` integer,
	`saved` text,
	`error` text
);
--> statement-breakpoint
CREATE INDEX `refreshes_by_database` ON `refreshes` (`database`,`created_at`);