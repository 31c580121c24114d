import { allForCopying } from "../../catalog/copies.ts";
import { isMisconfigured } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import { DAY, HOUR } from "../../plan/duration.ts";
import { judge, type Kept } from "../../plan/retention.ts";
import { readDocument } from "../../store/document.ts";
import { ERASURES } from "../../store/erasures.ts";
import type { SecondStore } from "../../store/second/second-store.ts";
import { manifestKey, ownKey, parseKey, PINNED } from "../../store/keys.ts";
import { listBackupObjects } from "../../store/list.ts";
import type { Policies } from "../../worker/fleet.ts";

/**
 * Most that one night does, so that it stays far below a Worker's 10,000 requests: copies begun (each
 * continues in a Workflow with requests of its own), small documents copied, objects deleted. The rest
 * is left to the next night.
 */
const STARTS = 100;
const DOCUMENTS = 500;
const REMOVALS = 1000;

/** A backup younger than this is left to its own run, and a copy in progress to the job that started it; ms. */
const SETTLED = 3 * HOUR;

type Row = Awaited<ReturnType<typeof allForCopying>>[number];

/** The objects at the second store: bytes by key. */
type There = ReadonlyMap<string, number>;

/**
 * Bring the second store in line: begin the copies that are missing there, whatever the catalog
 * records; copy the proofs and erasure lists that were written since; delete what the retention policy
 * does not keep.
 *
 * @param now ms
 * @throws NightjarError `COPY_UNREACHABLE`, `COPY_REFUSED`, `STORE_FAILED`, `CATALOG_FAILED`
 */
export async function syncCopies(context: Context, now: number): Promise<void> {
  const { catalog, config, fleet, secondStore } = context;
  if (secondStore === undefined) return;
  const there = new Map<string, number>();
  for await (const { key, bytes } of secondStore.list()) there.set(key, bytes);
  const rows = await allForCopying(catalog);
  const policies = await fleet.policies(rows.map(({ database }) => database));
  const begun = await begin(context, rows, policies, there, now);
  const documents = await copyDocuments(context, secondStore, there);
  const removed = config.copy!.keep
    ? 0
    : await removeExpired(context, secondStore, rows, there, now);
  log.info("copies-synced", { to: secondStore.to, begun, documents, removed });
}

/** Begin the missing copies: those that never failed first, and of these the oldest first. */
async function begin(
  { copies, secondStore }: Context,
  rows: readonly Row[],
  policies: Policies,
  there: There,
  now: number,
): Promise<number> {
  const isThere = (row: Row) =>
    there.get(ownKey(row.key)) === row.storedBytes && there.has(manifestKey(row));
  const lacking = rows.filter((row) => {
    const { bad, copy, database, takenAt } = row;
    if (bad === 1 || policies.get(database)?.copy === false) return false;
    if (now - takenAt < SETTLED) return false;
    if (copy?.state === "copying" && now - Date.parse(copy.at) < SETTLED) return false;
    return copy?.state !== "copied" || copy.to !== secondStore!.to || !isThere(row);
  });
  const failed = ({ copy }: Row) => Number(copy?.state === "failed");
  const next = lacking.toSorted((one, other) => failed(one) - failed(other)).slice(0, STARTS);
  for (const { id } of next) await copies.start(id, Math.floor(now / DAY) * DAY);
  return next.length;
}

/**
 * Copy the erasure lists, and the proofs of copied backups, under the backups' own keys even if a proof
 * is of a pinned copy. A document that cannot be read does not prevent the others.
 */
async function copyDocuments(
  { bucket }: Context,
  secondStore: SecondStore,
  there: There,
): Promise<number> {
  const ids = new Set<string>();
  for (const key of there.keys()) {
    const name = parseKey(key);
    if (name?.part === "manifest") ids.add(name.id);
  }
  const due = new Map<string, string>(); // key at the second store to key here
  for await (const { key } of listBackupObjects(bucket)) {
    const name = parseKey(key);
    const own = name?.pinned === true ? key.slice(PINNED.length) : key;
    const wanted = name?.part === "proof" ? ids.has(name.id) : key.startsWith(ERASURES);
    if (!wanted || there.has(own) || due.has(own)) continue;
    if (due.size === DOCUMENTS) break;
    due.set(own, key);
  }
  await bucket.expect([...due.values()]);
  for (const [own, key] of due)
    try {
      const text = await readDocument(bucket, key);
      if (text !== null) await secondStore.writeText(own, text, bucket.noteOf(own, text));
    } catch (thrown) {
      const error = asNightjarError(thrown);
      if (error.code !== "OBJECT_CORRUPT" && error.code !== "OBJECT_UNSIGNED") throw error;
      log.error("document-not-copied", error, { key });
    }
  return due.size;
}

/** The objects of one backup at the second store. */
interface CopiedBackup extends Kept {
  keys: string[];
  whole: boolean;
}

/**
 * Delete what is past its age. This is decided by what the store itself holds, not by the catalog, so
 * that the newest copy of a database stays even if the first bucket and the catalog are lost. A backup
 * that the catalog still has stays too.
 */
async function removeExpired(
  { fleet }: Context,
  secondStore: SecondStore,
  rows: readonly Row[],
  there: There,
  now: number,
): Promise<number> {
  const known = new Set(rows.map(({ id }) => id));
  const found = [...copiedBackups(there)];
  const policies = await fleet.policies(found.map(({ database }) => database));
  // Bytes without a manifest are no backup: they must not count as the newest.
  const verdicts = judge(
    found.filter(({ whole }) => whole),
    policies,
    now,
  );
  const doomed = verdicts.filter(({ keep }) => !keep).map(({ backup }) => backup);
  for (const backup of found) {
    const policy = policies.get(backup.database);
    const age =
      policy === undefined || isMisconfigured(policy) ? undefined : policy.retention[backup.tier];
    if (!backup.whole && age !== undefined && now >= backup.takenAt + age) doomed.push(backup);
  }
  let removed = 0;
  for (const { id, keys } of doomed) {
    if (known.has(id)) continue;
    if (removed + keys.length > REMOVALS) break;
    await secondStore.remove(keys);
    removed += keys.length;
  }
  return removed;
}

/**
 * Yield the backups at the second store, each with its manifest first, so that a backup disappears in
 * one step.
 */
function* copiedBackups(there: There): Iterable<CopiedBackup> {
  const byId = Map.groupBy(
    [...there.keys()].flatMap((key) => {
      const name = parseKey(key);
      return name === undefined ? [] : [{ ...name, key }];
    }),
    ({ id }) => id,
  );
  const verdict = { verification: null, pin: null }; // a backup known to be bad is not copied
  for (const members of byId.values()) {
    const order = (part: string) => members.filter((member) => member.part === part);
    const sorted = [...order("manifest"), ...order("bytes"), ...order("proof")];
    const [{ id, database, tier, takenAt }] = members as [(typeof members)[0]];
    const whole = order("manifest").length > 0 && order("bytes").length > 0;
    yield { ...verdict, id, database, tier, takenAt, whole, keys: sorted.map(({ key }) => key) };
  }
}
