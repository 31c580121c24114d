import type { EventOf } from "../../core/events.ts";
import { log } from "../../core/log.ts";

/** A piece of work, and the event that tells of its failure. */
type Work = readonly [failed: EventOf<"error">, work: () => Promise<unknown>];

/**
 * Do one work after the other. One that fails is logged, and does not prevent the others.
 *
 * @returns the errors
 */
export async function doEach(works: readonly Work[]): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (const [failed, work] of works)
    try {
      await work();
    } catch (thrown) {
      log.error(failed, thrown);
      errors.push(thrown);
    }
  return errors;
}
