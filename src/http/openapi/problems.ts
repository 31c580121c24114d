import { problemAnswer, problemExample } from "../answers/problem.ts";
import type { Answer } from "./about.ts";
import { schemaOf } from "./schemas.ts";

/** The refusals and failures that many routes have in common, by their names in the document. */

const PROBLEM = "application/problem+json";

function problemResponse(description: string, ...told: Parameters<typeof problemExample>) {
  return {
    description,
    content: {
      [PROBLEM]: {
        schema: schemaOf(problemAnswer),
        example: problemExample(...told),
      },
    },
  };
}

export const PROBLEMS = {
  Invalid: problemResponse(
    "The request is not what the route takes.",
    ...[400, "REQUEST_INVALID", "limit: must be a whole number from 1 to 200"],
    "docs/api.md has the form of every request.",
  ),
  Unauthorized: problemResponse(
    "No valid token was shown.",
    ...[401, "UNAUTHORIZED", "This needs a valid token."],
    "Send `Authorization: Bearer <token>`.",
  ),
  Forbidden: problemResponse(
    "The token's scopes or databases do not allow it, or a second person must.",
    ...[403, "FORBIDDEN", "This needs the scope backup; token ci has read."],
    "Ask for a token with that scope.",
  ),
  NotFound: problemResponse(
    "It is not there, or the token does not reach it.",
    ...[404, "DATABASE_NOT_FOUND", "No database shopp is configured. Did you mean shop?"],
    "`nightjar status` lists the databases.",
  ),
  TooManyAttempts: problemResponse(
    "Too many wrong tokens came from this address. `Retry-After` says when to try again.",
    ...[429, "TOO_MANY_ATTEMPTS", "Too many wrong tokens came from your address."],
    "Wait a minute.",
  ),
  Problem: problemResponse(
    "Any other refusal or failure; docs/errors.md lists the codes.",
    ...[503, "CATALOG_FAILED", "listing the runs: D1 did not answer"],
    "Try again in a minute.",
  ),
};

/** An answer whose status a failure of Nightjar's own may have as well. */
export function orProblem({ words, bodies }: Answer): Answer {
  const example = problemExample(
    ...[503, "CATALOG_FAILED", "Nightjar could not do this; its log says why."],
    "Ask for it again in a minute.",
  );
  return { words, bodies: [...bodies, { type: PROBLEM, schema: problemAnswer, example }] };
}
