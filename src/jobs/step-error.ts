import { NonRetryableError } from "cloudflare:workflows";
import type { NightjarError } from "../errors/errors.ts";

/**
 * Return the error that a step of a durable Workflow throws, so that it is tried again only if that can
 * help.
 */
export function stepError(error: NightjarError): Error {
  return error.retryable ? error : new NonRetryableError(error.message); // recognized by its name
}
