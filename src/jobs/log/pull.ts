import {
  advanceLineage,
  type Lineage,
  openLineage,
  recordCheck,
  type Segment,
  segmentsOf,
} from "../../catalog/lineages.ts";
import { removeUpload, uploadsOf } from "../../catalog/uploads.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import type { Page } from "../../format/pages/page.ts";
import { log } from "../../core/log.ts";
import type { Method, PageCursor } from "../../model/manifest.ts";
import { parsePageCursor } from "../../model/parse-page-cursor.ts";
import { parseSegment, type SegmentPlace } from "../../model/parse-segment-note.ts";
import { FIRST_CAPTURE, type PageEvent, type PageSource } from "../../source/pages.ts";
import { pageSource } from "../../source/probe.ts";
import type { Translated } from "../../libsql/server-clock.ts";
import { unsigned } from "../../store/document.ts";
import { abandonUpload } from "../../store/multipart.ts";
import { removeObjects } from "../../store/remove.ts";
import { listKeys } from "../../store/list.ts";
import { noteKey, parseSegmentKey, spillPrefix } from "../../store/segment-keys.ts";
import { type SegmentNote, segmentsAfter } from "../../store/segments.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";
import { type Base, type Dated, LogWriter } from "./writer.ts";
import { skipLockPage } from "../backup/page-stream.ts";

/** Most tries of one pull: each time a server may send its whole database. */
const MOST_TRIES = 6;
/** The reason for ending a lineage that cannot be continued. */
const MISFIT = "what the server sent did not fit the log that was read before";

/**
 * Pull what is new at a database's source into its log. Only one pull of a database may run at a time;
 * the Follower ensures that.
 *
 * Pages that cannot be true are pulled once more at once. If that fails from the same place again, the
 * whole database is read and a new lineage begins, so that a log never has to be unblocked by hand.
 *
 * @param lineage the log's position, repaired by `recoverLog` unless the last pull succeeded
 * @returns the log's new position
 * @throws NightjarError of the source, the store or the catalog; what was written until then stays
 */
export async function pullLog(
  context: Context,
  database: DatabaseConfig,
  method: Method,
  lineage: Lineage | undefined,
): Promise<Lineage> {
  const { deps } = context;
  const source = pageSource(method, await context.sourceOf(database), deps);
  let from = lineage;
  for (let failures = 0, tries = 1; ; tries++)
    try {
      return await pullOnce(context, database, source, from, from?.cursor ?? null);
    } catch (thrown) {
      if (asNightjarError(thrown).code !== "PAGES_INVALID" || from === undefined) throw thrown;
      if (tries === MOST_TRIES) throw thrown;
      log.error("pull-refused", thrown, { database: database.name, lineage: from.id });
      const reached = await recoverLog(context, database.name);
      failures = reached?.txid === from.txid && reached.id === from.id ? failures + 1 : 0;
      from = reached;
      if (failures === 2) return await pullOnce(context, database, source, from, null);
    }
}

async function pullOnce(
  context: Context,
  database: DatabaseConfig,
  source: PageSource,
  lineage: Lineage | undefined,
  cursor: PageCursor | null,
): Promise<Lineage> {
  const { catalog, deps } = context;
  const writer = new LogWriter(context, database.name, lineage);
  const begun = deps.now();
  const why = lineage === undefined ? FIRST_CAPTURE : MISFIT;
  await copyEvents(context, () => source.pull(cursor, why), writer);
  const reached = writer.lineage;
  if (reached === undefined)
    throw new NightjarError("PAGES_INVALID", "The server sent no complete transaction.");
  const checkedAt = Math.max(begun, reached.checkedAt);
  await recordCheck(catalog, reached.id, checkedAt);
  if (reached.txid !== lineage?.txid || reached.id !== lineage.id)
    log.info("log-pulled", { database: database.name, lineage: reached.id, txid: reached.txid });
  return { ...reached, checkedAt };
}

/**
 * Write the events of a pull. Memory is taken only once an event arrives, so that a look at an idle
 * server is free. If there is no memory at once, the pull begins again when there is: no connection
 * stays open meanwhile.
 */
async function copyEvents(
  context: Context,
  pull: () => AsyncIterable<PageEvent>,
  writer: LogWriter,
): Promise<void> {
  if (await copiedAtOnce(context, pull(), writer)) return;
  await inTurn(context, COSTS.log, () => copiedAtOnce(context, pull(), writer, () => {}));
}

/**
 * Write the events of a pull, if there is memory for them at once.
 *
 * @param held releases memory that is held already; `inTurn` does that by itself
 * @returns false if an event arrived and there was no memory for it: nothing was written
 */
async function copiedAtOnce(
  { deps, memory }: Context,
  pull: AsyncIterable<PageEvent>,
  writer: LogWriter,
  held?: () => void,
): Promise<boolean> {
  const begun = deps.now();
  /** Time at which the source was last asked and did not have what comes now, ms; null for a base. */
  let since: number | null = writer.lineage?.checkedAt ?? begun;
  const events = pull[Symbol.asyncIterator]();
  let release = held;
  let base: Base | undefined;
  let pageSize = writer.lineage?.pageSize;
  try {
    for (;;) {
      const { value: event, done } = await events.next();
      if (done === true) {
        await writer.end();
        return true;
      }
      release ??= memory.holdNow(COSTS.log);
      if (release === undefined) return false;
      if (event.kind === "base") {
        await writer.breakOff();
        pageSize = event.pageSize;
        base = { why: event.why, pageSize, ...dateCommit(null, begun, deps.now()) };
        since = null;
        if (event.ascending) {
          const { pages, end } = untilCommit(events, pageSize);
          await writer.beginFrom(base, event.pageCount, pages, end);
          base = undefined;
          since = begun;
        }
      } else if (event.kind === "pages") await writer.add(event.pages, pageSize!);
      else {
        // The content of a base may be older than the last look at another history.
        const dated = dateCommit(event.at, since ?? (event.at ? -Infinity : begun), deps.now());
        await writer.commit({ ...event, ...dated }, base && { ...base, ...dated });
        base = undefined;
        since ??= begun;
      }
    }
  } finally {
    release?.();
    await events.return?.();
  }
}

/**
 * Date a commit that was not there at `since` and was found at `found`, both ms by the Worker's clock:
 * return the latest possible moment, and by how much it may have been earlier. The server's clock is
 * used unless it contradicts that.
 */
export function dateCommit(told: Translated | null, since: number, found: number): Dated {
  const believed = told !== null && told.latest > since ? told : null;
  const at = Math.min(believed?.latest ?? found, found);
  const earliest = Math.max(believed?.earliest ?? since, since);
  const uncertainty = Math.max(0, at - earliest);
  return { at, uncertainty, clockOffset: believed?.offset ?? null };
}

/** Return the pages of the events up to their commit, and the commit itself by `end` afterwards. */
export function untilCommit(
  events: AsyncIterator<PageEvent>,
  pageSize: number,
): {
  pages: AsyncIterable<readonly Page[]>;
  end: () => Extract<PageEvent, { kind: "commit" }>;
} {
  let commit: Extract<PageEvent, { kind: "commit" }> | undefined;
  async function* pages(): AsyncIterable<readonly Page[]> {
    for (;;) {
      const { value: event, done } = await events.next();
      if (done === true || event.kind === "base")
        throw new NightjarError("PAGES_INVALID", "The server's image ended without a commit.");
      if (event.kind === "commit") {
        commit = event;
        return;
      }
      yield event.pages;
    }
  }
  return { pages: skipLockPage(pages(), pageSize), end: () => commit! };
}

/**
 * Repair the log after a pull that died: remove what it left half-written, and enter a segment that it
 * wrote but did not enter in the catalog.
 *
 * @returns the lineage to continue
 */
export async function recoverLog(context: Context, database: string): Promise<Lineage | undefined> {
  const { catalog, bucket } = context;
  for (const upload of await uploadsOf(catalog, database)) {
    if (!upload.key.startsWith("log/")) continue; // a backup's upload: its own run recovers it
    const lineage = await openLineage(catalog, database);
    // A lineage in the catalog vouches for its base and for every segment up to its newest transaction.
    const entered = await isEntered(context, lineage, upload.key);
    if (!entered) {
      await abandonUpload(bucket, upload.key, upload.uploadId);
      await removeObjects(bucket, [noteKey(upload.key)]);
    }
    await removeUpload(catalog, upload.key);
    log.info("log-upload-recovered", { key: upload.key, entered });
  }
  const spilled = await listKeys(bucket, spillPrefix(database));
  if (spilled.length > 0) await removeObjects(bucket, spilled);

  let lineage = await openLineage(catalog, database);
  while (lineage !== undefined) {
    const next = await adoptNext(context, lineage);
    if (next === undefined) break;
    lineage = next;
  }
  return lineage;
}

async function isEntered(
  { catalog }: Context,
  lineage: Lineage | undefined,
  key: string,
): Promise<boolean> {
  if (lineage === undefined) return false;
  return (await segmentsOf(catalog, lineage.id)).some((segment) => segment.key === key);
}

/** Enter the segment that follows the newest known one, if there is one in the bucket. */
async function adoptNext(context: Context, lineage: Lineage): Promise<Lineage | undefined> {
  const { catalog, bucket } = context;
  const found = await segmentsAfter(bucket, lineage.database, lineage.id, 0, lineage.txid);
  for (const { key, size: bytes, note } of found) {
    const name = parseSegmentKey(key);
    if (name?.minTxid !== lineage.txid + 1) continue;
    const noted = await notedSegment(context, { ...name, key }, bytes, note);
    if (noted === undefined) continue;
    const { segment, cursor } = noted;
    await advanceLineage(catalog, { ...segment, bytes }, { cursor, checkedAt: segment.at });
    log.info("segment-adopted", { key });
    const { maxTxid: txid, pageCount, at } = segment;
    return { ...lineage, cursor, txid, pageCount, committedAt: at, checkedAt: at };
  }
  return undefined;
}

/**
 * Return the facts in the note of a segment that the catalog does not know, if Nightjar wrote both.
 * Delete any other segment: it is where the next pull writes, which asks the source for the same again.
 */
async function notedSegment(
  { bucket }: Context,
  place: SegmentPlace,
  bytes: number,
  note: SegmentNote,
): Promise<{ segment: Segment; cursor: PageCursor } | undefined> {
  const { key } = place;
  const { segment, cursor, sha256 } = note;
  try {
    if (segment === undefined || cursor === undefined || sha256 === undefined)
      throw unsigned(key, "unsigned");
    const origin = bucket.originOf(key, sha256, note);
    if (origin !== "ours") throw unsigned(key, origin);
    const noted = { segment: parseSegment(segment, place), cursor: parsePageCursor(cursor, key) };
    await bucket.accept([{ key, version: null, sha256, bytes }]);
    await bucket.settle(key); // compares its bytes
    return noted;
  } catch (thrown) {
    const { code } = asNightjarError(thrown);
    if (code !== "OBJECT_CORRUPT" && code !== "OBJECT_UNSIGNED") throw thrown;
    log.error("segment-not-adopted", thrown, { key });
    await removeObjects(bucket, [key]);
    return undefined;
  }
}
