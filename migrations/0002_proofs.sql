ALTER TABLE `backups` ADD `verification` text;--> statement-breakpoint
ALTER TABLE `backups` ADD `drill` text;