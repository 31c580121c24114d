import { asNightjarError, type ErrorReport, NightjarError } from "../errors/errors.ts";
import type { Followers } from "./context.ts";
import type { Env } from "./env.ts";

/** The result of a call to a Durable Object. An error loses its code on the way out, so it goes as a value. */
export type Outcome<T> = { value: T } | { error: ErrorReport };

/** Run `action` in the Durable Object, and make a value of what it throws. */
export async function outcomeOf<T>(action: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await action() };
  } catch (thrown) {
    return { error: asNightjarError(thrown).report() };
  }
}

/** Return the value of a call. @throws NightjarError the error that the Durable Object threw */
function valueOf<T>(outcome: Outcome<T>): T {
  if ("value" in outcome) return outcome.value;
  const { code, message, hint } = outcome.error;
  throw new NightjarError(code, message, { hint });
}

/** The Followers of all databases, each in the Durable Object of its database's name. */
export function followersOf(namespace: Env["FOLLOWER"]): Followers {
  const of = (database: string) => namespace.get(namespace.idFromName(database));
  return {
    pull: async (database) => valueOf(await of(database).pull(database)),
    seed: async (database, backupId) => {
      valueOf(await of(database).seed(database, backupId));
    },
    follow: async (database) => of(database).follow(database),
  };
}
