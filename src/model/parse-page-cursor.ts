import * as v from "valibot";
import type { PageCursor } from "./manifest.ts";
import { count, parseDocument, text } from "./document.ts";

const frame = v.pipe(v.number(), v.safeInteger(), v.minValue(-1));

export const pageCursor = v.variant("protocol", [
  v.looseObject({
    protocol: v.literal("replica"),
    logId: text,
    frame,
    checksum: v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/))),
    atLeast: frame,
  }),
  v.looseObject({
    protocol: v.literal("pull-updates"),
    revision: v.string(),
    pageCount: v.pipe(count, v.minValue(1), v.maxValue(2 ** 32)),
    marks: v.array(
      v.looseObject({
        pgno: v.pipe(count, v.minValue(1)),
        hash: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
      }),
    ),
    sums: v.optional(
      v.looseObject({
        every: v.pipe(count, v.minValue(1)),
        hashes: v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/))),
      }),
    ),
  }),
  v.looseObject({ protocol: v.literal("sync"), generation: count, frame: count }),
  v.looseObject({ protocol: v.literal("dbpage") }),
]);

/**
 * Parse a place in a source's history, as it is kept beside the pages that led to it.
 *
 * @param key key of the object that it belongs to
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function parsePageCursor(json: string, key: string): PageCursor {
  return parseDocument("a segment with its cursor", key, json, pageCursor);
}
