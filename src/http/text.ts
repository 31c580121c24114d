import * as v from "valibot";

/** A line of text from outside, for people to read. */
export const text = (max: number) =>
  v.pipe(
    v.string("must be text"),
    v.minLength(1, "must not be empty"),
    v.maxLength(max, `must have at most ${max} characters`),
    v.regex(/^\P{Cc}*$/u, "must not hold line breaks or other control characters"),
  );
