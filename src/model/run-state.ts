/** How far a run is. */
export const RUN_STATES = [
  "queued",
  "capturing",
  "storing",
  "verifying",
  "drilling",
  "done",
  "failed",
] as const;
export type RunState = (typeof RUN_STATES)[number];

/** The states of a run that has not ended. */
export const ACTIVE_STATES: readonly RunState[] = RUN_STATES.filter(
  (state) => state !== "done" && state !== "failed",
);
