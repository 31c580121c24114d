import { findBackup } from "../../catalog/backups.ts";
import { followOf, recordFollow } from "../../catalog/follows.ts";
import { openLineage } from "../../catalog/lineages.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context, LogPosition } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { pagesInFile } from "../../format/pages/database-file.ts";
import { withJournal } from "../../format/pages/database-header.ts";
import { verified } from "../../format/bytes/hash.ts";
import type { Page } from "../../format/pages/page.ts";
import { log } from "../../core/log.ts";
import type { Manifest } from "../../model/manifest.ts";
import { HOUR } from "../../plan/duration.ts";
import { followPause } from "../../plan/follow-pace.ts";
import { FIRST_CAPTURE } from "../../source/pages.ts";
import { withoutToken } from "../../libsql/server.ts";
import { readSnapshotFile } from "../../store/snapshot-reader.ts";
import { compactLog } from "./compact.ts";
import { pullLog, recoverLog } from "./pull.ts";
import { LogWriter } from "./writer.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";
import { withMethod } from "../backup/method.ts";
import { skipLockPage } from "../backup/page-stream.ts";

/**
 * The one writer of a database's log. Its calls run one after another. It remembers only whether its
 * last pull succeeded and when it last compacted the log: the log's position is in the catalog, and,
 * failing that, in the bucket.
 */
export class LogFollower {
  #turn: Promise<unknown> = Promise.resolve();
  #sound = false;
  /** The hour (since the epoch) in which the log was last compacted. */
  #compactedIn = 0;

  /**
   * Pull what is new into the log.
   *
   * @returns the position reached; null if there is no log yet and reading a whole image is faster
   * @throws NightjarError
   */
  pull(context: Context, name: string): Promise<LogPosition | null> {
    return this.#next(context, name, async (database) => {
      const { reached } = await this.#pull(context, database, true);
      return reached;
    });
  }

  /** Begin the log with a backup that was read whole, unless there is a log already. */
  seed(context: Context, name: string, backupId: string): Promise<void> {
    return this.#next(context, name, async (database) => {
      const backup = await findBackup(context.catalog, backupId);
      if (backup?.manifest.snapshot?.cursor == null) return;
      if ((await recoverLog(context, name)) !== undefined) return;
      const { manifest } = backup;
      await inTurn(context, COSTS.log, () => seedFrom(context, database, manifest));
    });
  }

  /**
   * Pull once for a database that is followed, and record how it went.
   *
   * @returns ms until the next pull; undefined if the database is no longer followed
   */
  async wake(context: Context, name: string): Promise<number | undefined> {
    const pace = (await context.fleet.find(name))?.followMs;
    if (pace === undefined) return undefined;
    const { catalog, deps } = context;
    const before = await followOf(catalog, name);
    const follow = { database: name, triedAt: deps.now(), failures: 0, idle: 0, error: null };
    try {
      const { moved } = await this.#next(context, name, (database) =>
        this.#pull(context, database, false),
      );
      const idle = moved ? 0 : (before?.idle ?? 0) + 1;
      await recordFollow(catalog, { ...follow, idle });
      return followPause(pace, idle, 0);
    } catch (thrown) {
      const error = asNightjarError(thrown);
      const failures = (before?.failures ?? 0) + 1;
      log.error("follow-failed", error, { database: name, failures });
      await recordFollow(catalog, { ...follow, failures, error: error.report() }).catch(
        (other: unknown) => log.error("error-not-recorded", other, { database: name }),
      );
      return followPause(pace, 0, failures);
    }
  }

  async #pull(
    context: Context,
    database: DatabaseConfig,
    imageIsFaster: boolean,
  ): Promise<{ reached: LogPosition | null; moved: boolean }> {
    const { reached, moved } = await withMethod(context, database, async (method) => {
      if (["dump", "rows", "dbpage"].includes(method.protocol))
        throw new NightjarError(
          "PAGES_UNAVAILABLE",
          `The server has no log of pages to follow: ${method.why}.`,
        );
      const known = await openLineage(context.catalog, database.name);
      if (imageIsFaster && method.image && known === undefined)
        return { reached: null, moved: false };
      const sound = this.#sound;
      this.#sound = false;
      const begin = sound ? known : await recoverLog(context, database.name);
      const { id, txid } = await pullLog(context, database, method, begin);
      this.#sound = true;
      return { reached: { lineage: id, txid }, moved: id !== known?.id || txid !== known.txid };
    });
    if (reached !== null) await this.#compact(context, database);
    return { reached, moved };
  }

  /** Compact the log once an hour. A failure is logged and does not fail the pull. */
  async #compact(context: Context, database: DatabaseConfig): Promise<void> {
    const hour = Math.floor(context.deps.now() / HOUR);
    if (hour === this.#compactedIn) return;
    try {
      await compactLog(context, database);
      this.#compactedIn = hour;
    } catch (thrown) {
      log.error("log-not-compacted", thrown, { database: database.name });
      this.#sound = false; // it may have left an upload
    }
  }

  #next<T>(
    context: Context,
    name: string,
    action: (database: DatabaseConfig) => Promise<T>,
  ): Promise<T> {
    const turn = this.#turn.then(async () => {
      const database = await context.fleet.find(name);
      if (database === undefined)
        throw new NightjarError("DATABASE_NOT_FOUND", `${name} is no longer configured.`);
      const source = await context.sourceOf(database);
      return withoutToken(source, () => action(database));
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** Begin the log with a stored snapshot as its base, without asking the source again. */
async function seedFrom(
  context: Context,
  { name }: DatabaseConfig,
  manifest: Manifest,
): Promise<void> {
  const { key, raw, snapshot, id, takenAt } = manifest;
  const { pageSize, pageCount, committedAt, cursor, journal } = snapshot!;
  const file = readSnapshotFile(context.bucket, manifest);
  async function* pages(): AsyncIterable<readonly Page[]> {
    for await (const batch of pagesInFile(verified(file, raw, key), pageSize))
      yield batch.map((page) =>
        page.pgno === 1 ? { pgno: 1, data: withJournal(page.data, journal) } : page,
      );
  }
  const writer = new LogWriter(context, name, undefined);
  const at = Date.parse(committedAt);
  // The transaction that read the snapshot began after the capture did.
  const uncertainty = Math.max(0, at - Date.parse(takenAt));
  const base = { why: FIRST_CAPTURE, pageSize, at, uncertainty, clockOffset: null };
  await writer.beginFrom(base, pageCount, skipLockPage(pages(), pageSize), () => ({
    cursor: cursor!,
  }));
  log.info("log-seeded", { database: name, lineage: writer.lineage?.id, backup: id });
}
