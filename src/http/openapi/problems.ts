import { problemAnswer, problemExample } from "../answers/problem.ts";
import type { Answer } from "./about.ts";

/** The refusals and failures that many routes have in common, by their names in the document. */

function refusal(words: string, ...told: Parameters<typeof problemExample>): Answer {
  const example = problemExample(...told);
  return { words, bodies: [{ type: "application/problem+json", schema: problemAnswer, example }] };
}

export const PROBLEMS = {
  Invalid: refusal(
    "The request is not what the route takes.",
    ...[400, "REQUEST_INVALID", "limit: must be a whole number from 1 to 200"],
    "docs/api.md has the form of every request.",
  ),
  Unauthorized: refusal(
    "No valid token was shown.",
    ...[401, "UNAUTHORIZED", "This needs a valid token."],
    "Send `Authorization: Bearer <token>`.",
  ),
  Forbidden: refusal(
    "The token's scopes or databases do not allow it, or a second person must.",
    ...[403, "FORBIDDEN", "This needs the scope backup; token ci has read."],
    "Ask for a token with that scope.",
  ),
  NotFound: refusal(
    "It is not there, or the token does not reach it.",
    ...[404, "DATABASE_NOT_FOUND", "No database shopp is configured. Did you mean shop?"],
    "`nightjar status` lists the databases.",
  ),
  TooManyAttempts: refusal(
    "Too many wrong tokens came from this address. `Retry-After` says when to try again.",
    ...[429, "TOO_MANY_ATTEMPTS", "Too many wrong tokens came from your address."],
    "Wait a minute.",
  ),
  Problem: refusal(
    "Any other refusal or failure; docs/errors.md lists the codes.",
    ...[503, "CATALOG_FAILED", "listing the runs: D1 did not answer"],
    "Try again in a minute.",
  ),
};

/** An answer whose status a failure of Nightjar's own may have as well. */
export function orProblem({ words, bodies }: Answer): Answer {
  return { words, bodies: [...bodies, ...PROBLEMS.Problem.bodies] };
}
