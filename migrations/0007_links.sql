ALTER TABLE `links` ADD `database` text;--> statement-breakpoint
ALTER TABLE `links` ADD `created_by` text;--> statement-breakpoint
ALTER TABLE `links` ADD `max_uses` integer;--> statement-breakpoint
ALTER TABLE `links` ADD `uses` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `links` ADD `address` text;