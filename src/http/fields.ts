import * as v from "valibot";

/**
 * What `v.metadata` and `v.description` say in this folder is for the document of the API, which a test holds
 * against what requests are refused.
 */

/** Text of 1 to `max` characters (code points, as JSON Schema counts them). */
export const bounded = (max: number) =>
  v.pipe(
    v.string("must be text"),
    v.minLength(1, "must not be empty"),
    v.check((value) => Array.from(value).length <= max, `must have at most ${max} characters`),
    v.metadata({ maxLength: max }),
  );

/** A line of text from outside, for people to read. */
export const text = (max: number) =>
  v.pipe(
    bounded(max),
    v.regex(/^\P{Cc}*$/u, "must not hold line breaks or other control characters"),
  );

const AT_FORM =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
const AT = "must be a moment in ISO 8601 with its offset, like 2026-11-20T14:03:00Z";

/** A moment as requests name it. */
export const atField = v.pipe(
  v.string(AT),
  v.regex(AT_FORM, AT),
  v.check((moment) => !Number.isNaN(Date.parse(moment)) && isDay(moment.slice(0, 10)), AT),
  v.description("A moment in ISO 8601 with its offset."),
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

/** What a query may ask for. */
export const QUERIES =
  'One `SELECT`, `EXPLAIN` or reading `PRAGMA`. Values that JSON has no form for are sent, and taken, as `{"integer": "9007199254740993"}`, `{"real": "Infinity"}`, `{"blob": "<base64>"}`, `{"text": "<base64>"}`. At most 10,000 rows, 8 MiB and 20 s.';

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
      v.check((value) => /^[1-9]\d{0,5}$/.test(value) && Number(value) <= most, wrong),
      v.metadata({ type: "integer", minimum: 1, maximum: most }),
      v.transform(Number),
    ),
    String(usual),
  );
}

/** The cursor of what goes through the keys of the bucket. */
export const keyCursor = v.optional(
  v.pipe(
    v.string(CURSOR),
    v.check((key) => Array.from(key).length <= 1024, CURSOR),
    v.metadata({ maxLength: 1024 }),
  ),
);
