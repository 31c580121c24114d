import {
  advanceLineage,
  beginLineage,
  type Lineage,
  type Segment,
} from "../../catalog/lineages.ts";
import { enterUpload, removeUpload } from "../../catalog/uploads.ts";
import type { Context } from "../../worker/context.ts";
import { randomId } from "../../core/deps.ts";
import { gather } from "../../format/bytes/bytes.ts";
import { tap } from "../../format/bytes/hash.ts";
import { encodeLtx } from "../../format/ltx/encode.ts";
import type { LtxHeader } from "../../format/ltx/header.ts";
import { mergePages } from "../../format/pages/merge-pages.ts";
import type { Page } from "../../format/pages/page.ts";
import type { PageCursor } from "../../model/manifest.ts";
import type { SegmentDocument } from "../../model/parse-segment-note.ts";
import { SNAPSHOT_LEVEL } from "../../plan/log-chain.ts";
import { stamp } from "../../plan/stamp.ts";
import { replaceDocument } from "../../store/document.ts";
import { writeMultipart } from "../../store/multipart.ts";
import { readSegment } from "../../store/log-reader.ts";
import { removeObjects } from "../../store/remove.ts";
import { noteKey, segmentKey, spillKey } from "../../store/segment-keys.ts";
import { putSegment } from "../../store/segments.ts";
import { inBatches, PageBuffer } from "../backup/page-buffer.ts";
import { countPages, skipLockPage, withoutGap } from "../backup/page-stream.ts";

/**
 * Most bytes of pages held in memory, and bytes of complete transactions that are worth a segment of
 * their own.
 */
const LIMITS = { holdBytes: 12 * 1024 * 1024, segmentBytes: 6 * 1024 * 1024 };
/** Bytes read at a time from each of several merged objects. */
const SPILL_SPAN = 256 * 1024;

/** The date of a commit. */
export interface Dated {
  /** The latest possible time, ms by the Worker's clock: a moment before it does not have this state. */
  at: number;
  /** The commit may have been made up to this many ms earlier; null if that is not known. */
  uncertainty: number | null;
  /** Lead of the server's clock, ms; null if its time was not used. */
  clockOffset: number | null;
}

/** The header of a segment, and what the catalog keeps in addition. */
type SegmentHeader = LtxHeader & Omit<Dated, "at">;

/** A commit, as it goes into the log. */
export interface Commit extends Dated {
  pageCount: number;
  commits: number;
  cursor: PageCursor;
}

/** A whole database that starts a lineage. */
export interface Base extends Dated {
  why: string;
  pageSize: number;
  /** Time until which it is known to have stayed unchanged, ms; if undefined, it is known for `at` only. */
  checkedAt?: number;
}

/**
 * Writes what is pulled into the log of one database. A segment is in the bucket before the catalog and
 * the cursor advance to it, so that whatever dies in between is read again.
 */
export class LogWriter {
  readonly #context: Context;
  readonly #database: string;
  readonly #limits: typeof LIMITS;
  readonly #buffer = new PageBuffer();
  #lineage: Lineage | undefined;
  /** The buffer's complete transactions, as one commit. */
  #pending: Commit | undefined;
  #spilled: { key: string; bytes: number }[] = [];

  constructor(
    context: Context,
    database: string,
    lineage: Lineage | undefined,
    limits: typeof LIMITS = LIMITS,
  ) {
    this.#context = context;
    this.#database = database;
    this.#limits = limits;
    this.#lineage = lineage;
  }

  get lineage(): Lineage | undefined {
    return this.#lineage;
  }

  /**
   * End the source's current history: write what is complete to the lineage so far, and drop the pages
   * of an incomplete transaction. What comes next is another history, and must not be mixed with them.
   *
   * @throws NightjarError `STORE_FAILED`, `STORE_CONFLICT`, `CATALOG_FAILED`
   */
  async breakOff(): Promise<void> {
    await this.#flush();
    this.#buffer.takeOpen();
    await this.#dropSpilled();
  }

  /** Begin a lineage with a base whose pages come in ascending order. */
  async beginFrom(
    base: Base,
    pageCount: number,
    pages: AsyncIterable<readonly Page[]>,
    end: () => { cursor: PageCursor },
  ): Promise<void> {
    const { pageSize } = base;
    const dated = this.#notBefore(base);
    const { at } = dated;
    const id = `${stamp(this.#context.deps.now())}-${randomId(this.#context.deps)}`;
    const header = {
      ...{ pageSize, commit: pageCount, minTxid: 1, maxTxid: 1, timestamp: at },
      ...{ uncertainty: dated.uncertainty, clockOffset: dated.clockOffset },
    };
    const enter = async (segment: Segment) => {
      const lineage: Lineage = {
        id,
        database: this.#database,
        why: base.why,
        pageSize,
        pageCount,
        cursor: end().cursor,
        txid: 1,
        beganAt: this.#context.deps.now(),
        committedAt: at,
        checkedAt: base.checkedAt ?? at,
        endedAt: null,
      };
      await beginLineage(this.#context.catalog, lineage, segment);
      this.#lineage = lineage;
    };
    const database = this.#database;
    const place = { database, lineage: id, level: SNAPSHOT_LEVEL, cursor: () => end().cursor };
    await writeLargeSegment(this.#context, place, header, pages, enter);
  }

  /** Add pages of the transaction that is being read. */
  async add(pages: readonly Page[], pageSize: number): Promise<void> {
    this.#buffer.add(pages);
    if (this.#buffer.heldPages * pageSize < this.#limits.holdBytes) return;
    await this.#flush();
    await this.#spill(pageSize);
  }

  /**
   * Complete the open transaction. If `base` is given, the transaction is a whole database and begins a
   * lineage.
   */
  async commit(commit: Commit, base: Base | undefined): Promise<void> {
    this.#buffer.commit();
    if (base !== undefined) {
      const pages = this.#takeMerged(commit.pageCount, base.pageSize);
      await this.beginFrom(base, commit.pageCount, pages, () => commit);
      await this.#dropSpilled();
      return;
    }
    const before = this.#pending;
    const { pageSize } = this.#lineage!;
    this.#pending = {
      ...commit,
      ...laterOf(this.#notBefore(commit), before?.at ?? 0),
      commits: commit.commits + (before?.commits ?? 0),
    };
    const committedBytes = this.#buffer.committedPages * pageSize;
    if (this.#spilled.length > 0 || committedBytes >= this.#limits.segmentBytes)
      await this.#flush();
  }

  /**
   * Date a commit after the last check of the log, whatever the server's clock says: it was not there
   * then, and the moments that the log has been asked for until then keep their state.
   */
  #notBefore(dated: Dated): Dated {
    return laterOf(dated, (this.#lineage?.checkedAt ?? -1) + 1);
  }

  /** End the pull: write what is complete, and drop what is not. */
  async end(): Promise<void> {
    await this.breakOff();
  }

  /** Write the complete transactions so far as one segment, if there are any. */
  async #flush(): Promise<void> {
    const commit = this.#pending;
    if (commit === undefined) return;
    const { id, txid, pageSize, pageCount } = this.#lineage!;
    const header: SegmentHeader = {
      pageSize,
      commit: commit.pageCount,
      minTxid: txid + 1,
      maxTxid: txid + commit.commits,
      timestamp: commit.at,
      uncertainty: commit.uncertainty,
      clockOffset: commit.clockOffset,
    };
    const pages = withoutGap(
      this.#takeMerged(commit.pageCount, pageSize),
      pageCount,
      commit.pageCount,
      pageSize,
    );
    const { cursor, at: checkedAt } = commit;
    const enter = async (segment: Segment) => {
      await advanceLineage(this.#context.catalog, segment, { cursor, checkedAt });
    };
    if (this.#spilled.length > 0)
      await writeLargeSegment(
        this.#context,
        { database: this.#database, lineage: id, level: 0, cursor: () => cursor },
        header,
        pages,
        enter,
      );
    else await this.#writeSmall(id, header, pages, cursor, enter);
    this.#lineage = {
      ...this.#lineage!,
      cursor,
      txid: header.maxTxid,
      pageCount: commit.pageCount,
      committedAt: checkedAt,
      checkedAt,
    };
    this.#pending = undefined;
    await this.#dropSpilled();
  }

  /**
   * Take the pages of the complete transactions, from memory and from the objects that they were
   * spilled to.
   */
  #takeMerged(pageCount: number, pageSize: number): AsyncIterable<readonly Page[]> {
    const inMemory = inBatches(this.#buffer.takeCommitted());
    const { bucket } = this.#context;
    const spilled = this.#spilled.map(({ key, bytes }) =>
      readSegment(bucket, key, bytes, SPILL_SPAN),
    );
    return skipLockPage(mergePages([...spilled, inMemory], pageCount), pageSize);
  }

  /** Move the open transaction's pages so far from memory to the bucket, in order. */
  async #spill(pageSize: number): Promise<void> {
    const pages = this.#buffer.takeOpen();
    const last = pages.at(-1);
    if (last === undefined) return;
    const header = { pageSize, commit: last.pgno, minTxid: 2, maxTxid: 2, timestamp: 0 };
    const bytes = await gather(encodeLtx(header, skipLockPage(inBatches(pages), pageSize)));
    const key = spillKey(this.#database, this.#spilled.length);
    await putSegment(this.#context.bucket, key, bytes, {});
    this.#spilled.push({ key, bytes: bytes.length });
  }

  async #dropSpilled(): Promise<void> {
    if (this.#spilled.length === 0) return;
    await removeObjects(
      this.#context.bucket,
      this.#spilled.map(({ key }) => key),
    );
    this.#spilled = [];
  }

  /** Write in one PUT. The metadata lets recovery add the segment to the catalog if this Worker dies first. */
  async #writeSmall(
    lineage: string,
    header: SegmentHeader,
    pages: AsyncIterable<readonly Page[]>,
    cursor: PageCursor,
    enter: (segment: Segment) => Promise<void>,
  ): Promise<void> {
    const { bucket, deps } = this.#context;
    const count = { pages: 0, bytes: 0 };
    const bytes = await gather(encodeLtx(header, countPages(pages, count)));
    count.bytes = bytes.length;
    const segment = rowOf(this.#database, lineage, 0, header, count, deps.now());
    await putSegment(bucket, segment.key, bytes, {
      segment: JSON.stringify(segment),
      cursor: JSON.stringify(cursor),
    });
    await enter(segment);
  }
}

/** The place of a segment. */
interface SegmentPlace {
  database: string;
  lineage: string;
  level: number;
  /**
   * Return the place in the source's history at which the next pull begins, once the segment is
   * written; null if the segment repeats what the log holds.
   */
  cursor: () => PageCursor | null;
}

/**
 * Write a segment of any length, and its note, by which a rebuild recognizes it. The upload is entered
 * in the catalog before its first part, so that a segment that is not entered is removed later.
 *
 * @param enter makes the segment count
 * @throws NightjarError `STORE_FAILED`, `CATALOG_FAILED`, and whatever the pages throw
 */
export async function writeLargeSegment(
  { catalog, bucket, deps }: Context,
  { database, lineage, level, cursor }: SegmentPlace,
  header: SegmentHeader,
  pages: AsyncIterable<readonly Page[]>,
  enter: (segment: Segment) => Promise<void>,
): Promise<void> {
  const key = segmentKey({ database, lineage, level, ...header });
  const count = { pages: 0, bytes: 0 };
  const bytes = tap(encodeLtx(header, countPages(pages, count)), (chunk) => {
    count.bytes += chunk.length;
  });
  await writeMultipart(bucket, key, bytes, {
    contentType: "application/octet-stream",
    onUpload: async (uploadId) => {
      await enterUpload(catalog, { key, manifestKey: key, uploadId, runId: lineage, database });
    },
  });
  const segment = rowOf(database, lineage, level, header, count, deps.now());
  const sha256 = (await bucket.known(key))!.sha256!;
  const note: SegmentDocument = { format: 1, segment, cursor: cursor(), sha256 };
  await replaceDocument(bucket, noteKey(key), `${JSON.stringify(note, undefined, 2)}\n`);
  await enter(segment);
  await removeUpload(catalog, key);
}

function rowOf(
  database: string,
  lineage: string,
  level: number,
  header: SegmentHeader,
  count: { pages: number; bytes: number },
  createdAt: number,
): Segment {
  const { minTxid, maxTxid, timestamp: at, commit: pageCount, uncertainty, clockOffset } = header;
  const key = segmentKey({ database, lineage, level, minTxid, maxTxid });
  const name = { key, lineage, database, level, minTxid, maxTxid };
  return { ...name, at, uncertainty, clockOffset, pageCount, createdAt, ...count };
}

/**
 * Return the commit, dated `least` at the earliest. The time by which it is moved is added to the
 * uncertainty.
 */
function laterOf(dated: Dated, least: number): Dated {
  const { at, uncertainty, clockOffset } = dated;
  if (at >= least) return { at, uncertainty, clockOffset };
  const more = uncertainty === null ? null : uncertainty + least - at;
  return { at: least, uncertainty: more, clockOffset };
}
