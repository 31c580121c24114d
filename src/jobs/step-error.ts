import { NonRetryableError } from "cloudflare:workflows";
import type { NightjarError } from "../errors/errors.ts";

/** What a step of a durable Workflow throws for an error, so that it is tried again only where that can help. */
export function stepError(error: NightjarError): Error {
  return error.retryable ? error : new NonRetryableError(error.message); // known by its name: it must keep it
}
