import { asNightjarError, NightjarError } from "../errors/errors.ts";

/** Hono's own exceptions are about the request, such as a body that is no JSON. */
export function asHttpError(thrown: unknown): NightjarError {
  if (thrown instanceof Error && "getResponse" in thrown)
    return new NightjarError("REQUEST_INVALID", thrown.message);
  return asNightjarError(thrown);
}
