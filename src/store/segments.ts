import { NightjarError, failAs } from "../errors/errors.ts";
import { hex16, levelPrefix } from "./segment-keys.ts";

/** The custom metadata of a segment's object: it is enough to continue the log from. */
export type SegmentNote = Record<string, string>;

/**
 * Write a segment in one PUT; never over another.
 *
 * @throws NightjarError `STORE_CONFLICT` if there is one already, `STORE_FAILED`
 */
export async function putSegment(
  bucket: R2Bucket,
  key: string,
  bytes: Uint8Array,
  note: SegmentNote,
): Promise<void> {
  const written = await failAs("STORE_FAILED", `writing ${key}`, () =>
    bucket.put(key, bytes, { onlyIf: { etagDoesNotMatch: "*" }, customMetadata: note }),
  );
  if (written === null) throw new NightjarError("STORE_CONFLICT", `${key} exists already.`);
  if (written.size !== bytes.length)
    throw new NightjarError("STORE_FAILED", `R2 holds ${written.size} bytes of ${key}.`);
}

/**
 * List the segments of a level whose first transaction comes after `txid`, with their notes: as many as
 * R2 lists in one call.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function segmentsAfter(
  bucket: R2Bucket,
  database: string,
  lineage: string,
  level: number,
  txid: number,
): Promise<{ key: string; size: number; note: SegmentNote }[]> {
  const prefix = levelPrefix(database, lineage, level);
  const startAfter = `${prefix}${hex16(txid + 1)}`;
  const { objects } = await failAs("STORE_FAILED", `listing ${prefix}`, () =>
    bucket.list({ prefix, startAfter, include: ["customMetadata"] }),
  );
  return objects.map(({ key, size, customMetadata }) => ({
    key,
    size,
    note: customMetadata ?? {},
  }));
}
