import { NightjarError } from "../errors/errors.ts";
import type { StoredErasure, Withdrawal } from "../format/tables/erasure.ts";
import { parseErasure, parseWithdrawal, WITHDRAWN } from "../model/parse-erasure.ts";
import { stamp } from "../plan/stamp.ts";
import { readDocument, writeDocument } from "./document.ts";
import type { GuardedBucket } from "./guarded-bucket.ts";
import { listObjects } from "./list.ts";

/**
 * The prefix of the erasure lists. The list of a database is in the bucket, one object per entry, so
 * that it outlives the catalog: `erasures/<database>/<yyyymmddThhmmssZ>-<id>.json`. The withdrawal of
 * an entry is an object of its own beside it, `…-<id>.withdrawn.json`: nothing is overwritten.
 */
export const ERASURES = "erasures/";

/** An entry, with its withdrawal. */
type ListedErasure = StoredErasure & {
  withdrawn?: Pick<Withdrawal, "at" | "who" | "reason">;
};

/** Write an entry. @throws NightjarError `STORE_FAILED`, `STORE_CONFLICT` */
export async function addErasure(bucket: GuardedBucket, erasure: StoredErasure): Promise<void> {
  await writeDocument(bucket, `${placeOf(erasure)}.json`, textOf(erasure));
}

/**
 * Record that an entry no longer applies.
 *
 * @throws NightjarError `STORE_FAILED`, `STORE_CONFLICT`
 */
export async function addWithdrawal(
  bucket: GuardedBucket,
  erasure: StoredErasure,
  withdrawal: Withdrawal,
): Promise<void> {
  await writeDocument(bucket, placeOf(erasure) + WITHDRAWN, textOf(withdrawal));
}

/**
 * Read every entry of a database's list, oldest first.
 *
 * @throws NightjarError `STORE_FAILED`; `OBJECT_CORRUPT`, `OBJECT_UNSIGNED`, `OBJECT_MISSING` for an
 *   entry that cannot be read: nothing may be restored without it then
 */
export async function readErasures(
  bucket: GuardedBucket,
  database: string,
): Promise<ListedErasure[]> {
  const prefix = `${ERASURES}${database}/`;
  const keys = new Set(await bucket.expectedUnder(prefix)); // also those that somebody has deleted
  for await (const { key } of listObjects(bucket, prefix)) keys.add(key);
  await bucket.expect([...keys]);
  const erasures: StoredErasure[] = [];
  const withdrawals = new Map<string, Withdrawal>();
  for (const key of [...keys].toSorted()) {
    const text = await readDocument(bucket, key);
    if (text === null) throw new NightjarError("OBJECT_MISSING", `${key} is not in the bucket.`);
    if (key.endsWith(WITHDRAWN)) {
      const withdrawal = parseWithdrawal(text, key);
      withdrawals.set(withdrawal.id, withdrawal);
    } else erasures.push(parseErasure(text, key));
  }
  // By `at`, as keys have whole seconds only.
  const inOrder = erasures.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return inOrder.map((erasure) => {
    const withdrawal = withdrawals.get(erasure.id);
    if (withdrawal === undefined) return erasure;
    const { at, who, reason } = withdrawal;
    return { ...erasure, withdrawn: { at, who, reason } };
  });
}

function placeOf({ database, at, id }: StoredErasure): string {
  return `${ERASURES}${database}/${stamp(Date.parse(at))}-${id}`;
}

function textOf(document: object): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
