ALTER TABLE `segments` ADD `uncertainty` integer;--> statement-breakpoint
ALTER TABLE `segments` ADD `clock_offset` integer;