import type { AuditHead } from "../model/audit.ts";
import { parseAuditHead } from "../model/parse-audit-head.ts";
import { NightjarError } from "../errors/errors.ts";
import { stamp } from "../plan/stamp.ts";
import { readDocument, writeDocument } from "./document.ts";
import type { GuardedBucket } from "./guarded-bucket.ts";
import { listObjects } from "./list.ts";

/**
 * The prefix of the heads of the audit, one object a night: `audit/<chain>/<yyyymmddThhmmssZ>-<seq>.json`.
 * Somebody who rewrites the table in D1 does not change them.
 */
export const AUDIT = "audit/";

/** Write a head, once. @throws NightjarError `STORE_FAILED`, `STORE_CONFLICT` */
export async function writeAuditHead(bucket: GuardedBucket, head: AuditHead): Promise<void> {
  const key = `${AUDIT}${head.chain}/${stamp(Date.parse(head.at))}-${head.seq}.json`;
  await writeDocument(bucket, key, `${JSON.stringify(head, undefined, 2)}\n`);
}

/**
 * Read every head in the bucket, in the order of their keys.
 *
 * @throws NightjarError `STORE_FAILED`; `OBJECT_CORRUPT`, `OBJECT_UNSIGNED`, `OBJECT_MISSING` for one that
 *   cannot be read
 */
export async function readAuditHeads(bucket: GuardedBucket): Promise<AuditHead[]> {
  const keys = new Set(await bucket.expectedUnder(AUDIT)); // also those that somebody has deleted
  for await (const { key } of listObjects(bucket, AUDIT)) keys.add(key);
  await bucket.expect([...keys]);
  const heads: AuditHead[] = [];
  for (const key of [...keys].toSorted()) {
    const text = await readDocument(bucket, key);
    if (text === null) throw new NightjarError("OBJECT_MISSING", `${key} is not in the bucket.`);
    heads.push(parseAuditHead(text, key));
  }
  return heads;
}
