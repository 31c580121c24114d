import type { NightjarError } from "../errors/errors.ts";
import { RETRY_AFTER } from "../core/memory-budget.ts";

/** The answer to a request that failed: `application/problem+json` (RFC 9457) with code and hint. */
export function problem(error: NightjarError, headers: Record<string, string> = {}): Response {
  const { status, code, message, hint, facts } = error;
  const pause = code === "BUSY" ? RETRY_AFTER : code === "TOO_MANY_ATTEMPTS" ? 60 : undefined;
  const wait = pause === undefined ? undefined : { "retry-after": String(pause) };
  const type = `urn:nightjar:error:${code}`;
  return Response.json(
    { ...facts, type, title: code, status, detail: message, code, hint },
    {
      status,
      headers: {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        ...wait,
        ...headers,
      },
    },
  );
}
