/** How far a refresh has got. */
export const REFRESH_STATES = ["queued", "running", "done", "failed"] as const;
export type RefreshState = (typeof REFRESH_STATES)[number];

/** What started a refresh: a backup of the schedule that passed its proof, or a request. */
export const REFRESH_TRIGGERS = ["schedule", "api"] as const;
export type RefreshTrigger = (typeof REFRESH_TRIGGERS)[number];
