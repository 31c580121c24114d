import * as v from "valibot";
import type { PageCursor } from "./manifest.ts";
import { count, databaseName, lineageId, misfit, parseDocument, sha256, text } from "./document.ts";
import { pageCursor } from "./parse-page-cursor.ts";

/** Milliseconds in the range of a Date. */
const instant = v.pipe(count, v.maxValue(8.64e15));
const txid = v.pipe(count, v.minValue(1));

const segment = v.looseObject({
  key: text,
  lineage: lineageId,
  database: databaseName,
  level: v.pipe(count, v.maxValue(9)),
  minTxid: txid,
  maxTxid: txid,
  at: instant,
  pageCount: v.pipe(count, v.maxValue(2 ** 32)),
  pages: v.pipe(count, v.maxValue(2 ** 32)),
  bytes: count,
  createdAt: instant,
  uncertainty: v.optional(v.nullable(instant)),
  clockOffset: v.optional(v.nullable(v.pipe(v.number(), v.safeInteger()))),
});

/** A segment of the page log as its note describes it, which is also how the catalog has it. */
export interface NotedSegment {
  key: string;
  lineage: string;
  database: string;
  level: number;
  minTxid: number;
  maxTxid: number;
  at: number;
  pageCount: number;
  pages: number;
  bytes: number;
  createdAt: number;
  /** Notes of older versions lack these two. */
  uncertainty: number | null;
  clockOffset: number | null;
}

const UNDATED = { uncertainty: null, clockOffset: null };

/** The facts that the key of a segment determines. */
export type SegmentPlace = Pick<
  NotedSegment,
  "key" | "lineage" | "database" | "level" | "minTxid" | "maxTxid"
>;

/**
 * Parse the note of a segment, and check that it matches the segment's key.
 *
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function parseSegment(json: string, place: SegmentPlace): NotedSegment {
  const noted = parseDocument<NotedSegment>("a segment's note", place.key, json, segment);
  refuseOther(noted, place);
  return { ...UNDATED, ...noted };
}

/** The note of a segment that was written by parts, in an object of its own. */
export interface SegmentDocument {
  /** Version of this format. */
  format: 1;
  segment: NotedSegment;
  /**
   * The place in the source's history at which the next pull begins; null if the segment repeats what
   * the log holds.
   */
  cursor: PageCursor | null;
  sha256: string;
}

const document = v.looseObject({
  format: v.literal(1),
  segment,
  cursor: v.nullable(pageCursor),
  sha256,
});

/**
 * Parse the note of a segment in an object of its own, and check that it matches the segment's key.
 *
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function parseSegmentDocument(json: string, place: SegmentPlace): SegmentDocument {
  const noted = parseDocument<SegmentDocument>("a segment's note", place.key, json, document);
  refuseOther(noted.segment, place);
  return { ...noted, segment: { ...UNDATED, ...noted.segment } };
}

function refuseOther(noted: NotedSegment, place: SegmentPlace): void {
  for (const field of ["key", "lineage", "database", "level", "minTxid", "maxTxid"] as const)
    if (noted[field] !== place[field])
      throw misfit("the segment of its key", place.key, `the ${field} in its note differs`);
}
