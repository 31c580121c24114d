/**
 * Recovery point and recovery time: what was asked for (the objective), what was measured, and what is to
 * be expected. All of it in ms; undefined where nothing is known.
 */
export interface Objective {
  readonly objective: number | undefined;
  readonly measured: number | undefined;
  readonly predicted: number | undefined;
  readonly state: ObjectiveState;
}

/**
 * `missed`: what was measured is worse than the objective. `at-risk`: what is to be expected is worse.
 * `none`: there is no objective.
 */
export type ObjectiveState = "none" | "unknown" | "met" | "at-risk" | "missed";

/** Facts for the recovery point of a database. Moments and durations in ms. */
export interface RecoveryPointFacts {
  readonly objective: number | undefined;
  /** The newest moment that can be restored. */
  readonly restorableAt: number | undefined;
  /** When there will be a newer one: the next run's or pull's end. */
  readonly nextAt: number | undefined;
}

/**
 * Return the recovery point at `now`: what would be lost if the source were lost now, and the most that
 * would be lost until there is a newer state to restore.
 */
export function recoveryPoint(facts: RecoveryPointFacts, now: number): Objective {
  const { objective, restorableAt, nextAt } = facts;
  const measured = restorableAt === undefined ? undefined : Math.max(0, now - restorableAt);
  const predicted =
    restorableAt === undefined || nextAt === undefined
      ? undefined
      : Math.max(measured!, nextAt - restorableAt);
  return { objective, measured, predicted, state: stateOf(objective, measured, predicted) };
}

/** Facts for the recovery time: durations in ms, sizes in bytes. */
export interface RecoveryTimeFacts {
  readonly objective: number | undefined;
  /** The last drill that passed. */
  readonly drill: { readonly recoveryMs: number; readonly bytes: number } | undefined;
  /** Size of the newest backup. */
  readonly bytes: number | undefined;
}

/** Return the recovery time: the last drill's, and what the newest backup would take by its size. */
export function recoveryTime({ objective, drill, bytes }: RecoveryTimeFacts): Objective {
  const measured = drill?.recoveryMs;
  const predicted =
    drill === undefined || bytes === undefined
      ? undefined
      : Math.round(drill.recoveryMs * Math.max(1, bytes / Math.max(1, drill.bytes)));
  return { objective, measured, predicted, state: stateOf(objective, measured, predicted) };
}

function stateOf(
  objective: number | undefined,
  measured: number | undefined,
  predicted: number | undefined,
): ObjectiveState {
  if (objective === undefined) return "none";
  if (measured === undefined) return "unknown";
  if (measured > objective) return "missed";
  return predicted !== undefined && predicted > objective ? "at-risk" : "met";
}
