import { validator } from "hono/validator";
import * as v from "valibot";
import { NightjarError } from "../errors/errors.ts";
import { issueKeys, issueMessage } from "../errors/schema-issue.ts";

type Schema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/**
 * Middleware that validates a request's JSON body or query; the handler gets the schema's output.
 * A body that is left out counts as `{}`.
 *
 * @throws NightjarError `REQUEST_INVALID` that names every wrong field
 */
export function input<Target extends "json" | "query", S extends Schema>(
  target: Target,
  schema: S,
) {
  return validator(target, async (value, c): Promise<v.InferOutput<S>> => {
    if (target === "json" && !/\bjson\b/.test(c.req.header("content-type") ?? "")) {
      // Hono passes such a body over; a request must not be half understood.
      if ((await c.req.text()) !== "")
        throw new NightjarError("REQUEST_INVALID", "The body must be JSON.", {
          hint: "Send it with `content-type: application/json`.",
        });
    }
    if (Array.isArray(value))
      throw new NightjarError("REQUEST_INVALID", "the body: must be an object, not a list");
    const result = v.safeParse(schema, value);
    if (result.success) return result.output;
    const mistakes = result.issues.map((issue) => {
      const path = issueKeys(issue).join(".") || "the body";
      return `${path}: ${issueMessage(issue, Object.keys(schema.entries))}`;
    });
    throw new NightjarError("REQUEST_INVALID", mistakes.join("; "));
  });
}
