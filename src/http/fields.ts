import * as v from "valibot";

/** A line of text from outside, for people to read. */
export const text = (max: number) =>
  v.pipe(
    v.string("must be text"),
    v.minLength(1, "must not be empty"),
    v.maxLength(max, `must have at most ${max} characters`),
    v.regex(/^\P{Cc}*$/u, "must not hold line breaks or other control characters"),
  );

const AT = "must be a moment in ISO 8601 with its offset, like 2026-11-20T14:03:00Z";

/** A moment as requests name it. */
export const atField = v.pipe(
  v.string(AT),
  v.check(
    (moment) =>
      /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(moment) &&
      !Number.isNaN(Date.parse(moment)) &&
      isDay(moment.slice(0, 10)),
    AT,
  ),
);

/** `Date.parse` takes the 31st of February for the 3rd of March. */
function isDay(date: string): boolean {
  const midnight = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(date);
}

/** A query: one reading statement, and the values of its `?` parameters. */
export const querySchema = v.strictObject({
  sql: v.pipe(v.string("must be text"), v.minLength(1, "must not be empty")),
  args: v.optional(v.array(v.unknown(), "must be a list of values"), []),
});

/**
 * Long answers come in pages. A page says where the next one begins, `next`, which is null on the last; the
 * request for it gives that back as `cursor`.
 */
export const CURSOR = "must be the `next` of the page before";

/** A page's size, from 1 to `most`, in the query of an address. */
export function limitField(most: number, usual: number) {
  const wrong = `must be a whole number from 1 to ${most}`;
  return v.optional(
    v.pipe(
      v.string(wrong),
      v.regex(/^[1-9]\d{0,5}$/, wrong),
      v.transform(Number),
      v.maxValue(most, wrong),
    ),
    String(usual),
  );
}

/** The cursor of what goes through the keys of the bucket. */
export const keyCursor = v.optional(v.pipe(v.string(CURSOR), v.maxLength(1024, CURSOR)));
