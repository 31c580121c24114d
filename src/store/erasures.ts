import { NightjarError } from "../errors.ts";
import type { StoredErasure, Withdrawal } from "../format/erasure.ts";
import { stamp } from "../plan/stamp.ts";
import { readDocument, writeDocument } from "./document.ts";
import { listObjects } from "./list.ts";

/**
 * The erasure list of a database lies in the bucket, one object an entry, so that it outlives the
 * catalog: `erasures/<database>/<yyyymmddThhmmssZ>-<id>.json`. What takes an entry back is an object of
 * its own beside it, `…-<id>.withdrawn.json`: nothing is overwritten.
 */
export const ERASURES = "erasures/";

const WITHDRAWN = ".withdrawn.json";

/** An entry, and what takes it back. */
export type ListedErasure = StoredErasure & { withdrawn?: Withdrawal };

/** @throws NightjarError `STORE_FAILED`, `STORE_CONFLICT` */
export async function addErasure(bucket: R2Bucket, erasure: StoredErasure): Promise<void> {
  await writeDocument(bucket, `${placeOf(erasure)}.json`, textOf(erasure));
}

/**
 * Write down that an entry applies no more.
 *
 * @throws NightjarError `STORE_FAILED`, `STORE_CONFLICT`
 */
export async function addWithdrawal(
  bucket: R2Bucket,
  erasure: StoredErasure,
  withdrawal: Withdrawal,
): Promise<void> {
  await writeDocument(bucket, placeOf(erasure) + WITHDRAWN, textOf(withdrawal));
}

/**
 * Every entry of a database's list, the oldest first.
 *
 * @throws NightjarError `STORE_FAILED`; `OBJECT_CORRUPT`, `OBJECT_MISSING` for an entry that cannot be
 *   read: then nothing may be restored without it
 */
export async function readErasures(bucket: R2Bucket, database: string): Promise<ListedErasure[]> {
  const erasures: StoredErasure[] = [];
  const withdrawals = new Map<string, Withdrawal>();
  for await (const { key } of listObjects(bucket, `${ERASURES}${database}/`)) {
    const text = await readDocument(bucket, key);
    if (text === null) throw new NightjarError("OBJECT_MISSING", `${key} is not in the bucket.`);
    if (key.endsWith(WITHDRAWN)) {
      const withdrawal = parsed<Withdrawal>(key, text);
      withdrawals.set(withdrawal.id, withdrawal);
    } else erasures.push(parsed<StoredErasure>(key, text));
  }
  return erasures.map((erasure) => {
    const withdrawn = withdrawals.get(erasure.id);
    return withdrawn === undefined ? erasure : { ...erasure, withdrawn };
  });
}

function placeOf({ database, at, id }: StoredErasure): string {
  return `${ERASURES}${database}/${stamp(Date.parse(at))}-${id}`;
}

function textOf(document: object): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** A document whose id and database are those of its key. */
function parsed<T extends { readonly id: string; readonly database: string }>(
  key: string,
  text: string,
): T {
  try {
    const document = JSON.parse(text) as T;
    const { id, database } = document;
    const ends = [`-${id}.json`, `-${id}${WITHDRAWN}`].some((end) => key.endsWith(end));
    if (ends && key.startsWith(`${ERASURES}${database}/`)) return document;
  } catch (thrown) {
    throw noEntry(key, thrown);
  }
  throw noEntry(key);
}

function noEntry(key: string, cause?: unknown): NightjarError {
  return new NightjarError("OBJECT_CORRUPT", `${key} is no entry of an erasure list.`, { cause });
}
