import type { Deps } from "../core/deps.ts";
import { asNightjarError } from "../errors/errors.ts";

const TRIES = 6;
/** The first pause, ms; each is twice the one before. */
const FIRST_PAUSE = 500;

/**
 * Do something again while the server answers 429, which it does before it has done anything: sqld when
 * it is too busy to open a connection.
 */
export async function patiently<T>(deps: Deps, action: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (thrown) {
      const busy = asNightjarError(thrown).message.includes(" answered 429");
      if (!busy || tries === TRIES) throw thrown;
      await deps.sleep(FIRST_PAUSE * 2 ** (tries - 1));
    }
  }
}
