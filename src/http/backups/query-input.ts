import * as v from "valibot";

/** A query: one reading statement, and the values of its `?` parameters. */
export const querySchema = v.strictObject({
  sql: v.pipe(v.string("must be text"), v.minLength(1, "must not be empty")),
  args: v.optional(v.array(v.unknown(), "must be a list of values"), []),
});
