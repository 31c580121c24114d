import type { Deps } from "../core/deps.ts";
import { asNightjarError } from "../errors/errors.ts";

const TOO_MANY_REQUESTS = 429;
const TRIES = 6;
/** The first pause, ms; each is twice the one before. */
const FIRST_PAUSE = 500;

/**
 * Retry `action` while the server answers 429. It answers so before it has done anything: sqld does when
 * it is too busy to open a connection.
 *
 * @throws what `action` throws otherwise, or after six attempts
 */
export async function retryBusy<T>(deps: Deps, action: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (thrown) {
      const busy = asNightjarError(thrown).answered === TOO_MANY_REQUESTS;
      if (!busy || tries === TRIES) throw thrown;
      await deps.sleep(FIRST_PAUSE * 2 ** (tries - 1));
    }
  }
}
