import { validator } from "hono/validator";
import * as v from "valibot";
import { NightjarError } from "../errors.ts";

type Schema = v.GenericSchema<unknown, unknown>;

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
  return validator(target, (value): v.InferOutput<S> => {
    const result = v.safeParse(schema, value);
    if (result.success) return result.output;
    const mistakes = result.issues.map((issue) => {
      const path = (issue.path ?? []).map((item) => String(item.key)).join(".");
      return `${path === "" ? "the body" : path}: ${issue.message}`;
    });
    throw new NightjarError("REQUEST_INVALID", mistakes.join("; "));
  });
}
