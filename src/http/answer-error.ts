import type { Context as HonoContext } from "hono";
import { log } from "../core/log.ts";
import { NightjarError } from "../errors/errors.ts";
import type { Caller } from "../model/actor.ts";
import { asHttpError } from "./as-http-error.ts";
import type { HttpEnv } from "./hono-env.ts";
import { problem } from "./problem.ts";

/** Answer a request that failed: its error is a problem, and one of Nightjar's own is logged. */
export function answerError(thrown: unknown, c: HonoContext<HttpEnv>): Response {
  const error = asHttpError(thrown);
  if (error.status >= 500) log.error("request-failed", error, { path: loggablePath(c.req.url) });
  // Set where somebody has shown a valid token.
  const caller = c.get("caller") as Caller | undefined;
  const told = caller === undefined ? withoutDetail(error) : error;
  return problem(told, error.code === "UNAUTHORIZED" ? { "www-authenticate": "Bearer" } : {});
}

/** A failure of Nightjar's own, without the words of D1, R2 or the runtime, which are not for outsiders. */
function withoutDetail(error: NightjarError): NightjarError {
  if (error.status < 500) return error;
  return new NightjarError(error.code, "Nightjar could not do this; its log says why.", {
    hint: "Ask for it again in a minute. Nightjar's owner finds the reason in the Worker's log.",
    cause: error,
  });
}

/** The path of a request; a download link is a secret, and stays out of the log. */
export function loggablePath(url: string): string {
  return new URL(url).pathname.replace(/^\/d\/.*/, "/d/…");
}
