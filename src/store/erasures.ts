import { NightjarError } from "../errors.ts";
import type { Erasure } from "../format/erasure.ts";
import { parseErasure } from "../model/parse-erasure.ts";
import { stamp } from "../plan/stamp.ts";
import { readDocument, writeDocument } from "./document.ts";
import type { GuardedBucket } from "./guarded-bucket.ts";
import { listObjects } from "./list.ts";

/**
 * The erasure list of a database lies in the bucket, one object an entry, so that it outlives the
 * catalog: `erasures/<database>/<yyyymmddThhmmssZ>-<id>.json`.
 */
export const ERASURES = "erasures/";

/** @throws NightjarError `STORE_FAILED`, `STORE_CONFLICT` */
export async function addErasure(bucket: GuardedBucket, erasure: Erasure): Promise<string> {
  const { database, at, id } = erasure;
  const key = `${ERASURES}${database}/${stamp(Date.parse(at))}-${id}.json`;
  await writeDocument(bucket, key, `${JSON.stringify(erasure, undefined, 2)}\n`);
  return key;
}

/**
 * Every entry of a database's list, the oldest first.
 *
 * @throws NightjarError `STORE_FAILED`; `OBJECT_CORRUPT`, `OBJECT_UNSIGNED`, `OBJECT_MISSING` for an entry
 *   that cannot be read: then nothing may be restored without it
 */
export async function readErasures(bucket: GuardedBucket, database: string): Promise<Erasure[]> {
  const prefix = `${ERASURES}${database}/`;
  const keys = new Set(await bucket.expectedUnder(prefix)); // also those that somebody has deleted
  for await (const { key } of listObjects(bucket, prefix)) keys.add(key);
  await bucket.expect([...keys]);
  const erasures: Erasure[] = [];
  for (const key of [...keys].toSorted()) {
    const text = await readDocument(bucket, key);
    if (text === null) throw new NightjarError("OBJECT_MISSING", `${key} is not in the bucket.`);
    erasures.push(parseErasure(text, key));
  }
  return erasures;
}
