import { span } from "./duration.ts";

/** The loss when a database returns to an earlier state. Moments are ISO 8601. */
export interface LossWindow {
  readonly asOf: string;
  /** The newest commit that Nightjar knows of; null if it knows none. */
  readonly newestKnown: string | null;
  readonly now: string;
  readonly words: string;
}

/**
 * Return the data-loss window of a restore.
 *
 * @param known commits of the database that are known, ms
 */
export function lossWindow(
  database: string,
  asOf: string,
  known: readonly number[],
  now: number,
): LossWindow {
  const from = Date.parse(asOf);
  const newest = known.length === 0 ? null : Math.max(...known);
  const later =
    newest !== null && newest > from
      ? `The newest commit that Nightjar knows of came ${span(newest - from)} later`
      : "Nightjar knows of no later commit";
  return {
    asOf,
    newestKnown: newest === null ? null : new Date(newest).toISOString(),
    now: new Date(now).toISOString(),
    words: `What was written to ${database} after ${asOf} is not in it: ${span(now - from)} until now. ${later}.`,
  };
}
