import { HTTPException } from "hono/http-exception";
import { asNightjarError, NightjarError } from "../errors/errors.ts";

/** Hono's own exceptions are about the request, such as a body that is no JSON. */
export function asHttpError(thrown: unknown): NightjarError {
  if (thrown instanceof HTTPException)
    return thrown.status === 403
      ? new NightjarError("FORBIDDEN", "This form came from another site, and was not taken.", {
          hint: "Open the page at Nightjar's own address, and send the form there.",
        })
      : new NightjarError("REQUEST_INVALID", thrown.message);
  return asNightjarError(thrown);
}
