import * as v from "valibot";

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
