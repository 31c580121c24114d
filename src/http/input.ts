import { validator } from "hono/validator";
import * as v from "valibot";
import { NightjarError } from "../errors/errors.ts";
import { issueKeys, issueMessage } from "../errors/schema-issue.ts";

type Schema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/** What a route takes. */
interface Input {
  readonly target: "json" | "query";
  readonly schema: Schema;
  readonly example: unknown;
  /** True if the body may be left out. */
  readonly mayBeEmpty: boolean;
}

const INPUT = Symbol("input");

/** Find what a handler takes, if it is one that `input` has made. */
export function inputOf(handler: unknown): Input | undefined {
  return (handler as { [INPUT]?: Input })[INPUT];
}

/**
 * Middleware that validates a request's JSON body or query; the handler gets the schema's output.
 * A body that is left out counts as `{}`.
 *
 * @param example what may be asked for, for the document of the API
 * @throws NightjarError `REQUEST_INVALID` that names every wrong field
 */
export function input<Target extends "json" | "query", S extends Schema>(
  target: Target,
  schema: S,
  example: v.InferInput<S>,
) {
  const mayBeEmpty = v.safeParse(schema, {}).success;
  const middleware = validator(target, async (value, c): Promise<v.InferOutput<S>> => {
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
  return Object.assign(middleware, {
    [INPUT]: { target, schema, example, mayBeEmpty } satisfies Input,
  });
}
