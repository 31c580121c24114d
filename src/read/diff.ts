import { segmentsOf } from "../catalog/lineages.ts";
import { iso } from "../core/iso.ts";
import { NightjarError } from "../errors/errors.ts";
import { encode } from "../format/bytes/bytes.ts";
import { InteriorCache } from "../format/pages/changed/interior-cache.ts";
import { PageSet } from "../format/pages/changed/page-set.ts";
import { hasStrayOverflow } from "../format/pages/changed/stray-overflow.ts";
import type { PageReader } from "../format/pages/page.ts";
import type { Erasure } from "../format/tables/erasure.ts";
import type { Selection } from "../format/tables/selection.ts";
import type { DiffDone, DiffLine, DiffSide } from "../model/diff-line.ts";
import { chainBetween } from "../plan/log-chain.ts";
import { type ChangedPages, Comparison } from "../sqlite/diff/comparison.ts";
import { writeRowLines } from "../sqlite/diff/row-lines.ts";
import { type Summary, summarize } from "../sqlite/diff/summarize.ts";
import { refuseDiff, writeDiff } from "../sqlite/diff/write-diff.ts";
import type { Image } from "../sqlite/engine/image.ts";
import { openImage } from "../sqlite/engine/open.ts";
import { BlockCache } from "../store/block-cache.ts";
import { openLog, readSegmentIndex } from "../store/log-reader.ts";
import { type ObjectReader, ReadCounter } from "../store/read-counter.ts";
import { openSnapshot } from "../store/snapshot-reader.ts";
import type { Context } from "../worker/context.ts";
import { erasuresAt, erasuresOfBackup } from "./erasures.ts";
import { earliestOf } from "./moment.ts";
import { openStored, refuseEncrypted, type Stored } from "./stored.ts";

/** Bytes of blocks that are held for each side. */
const CACHE = 2 * 1024 * 1024;
/** Frames of a snapshot that are read at once where most of it is read, 1 MiB. */
const FRAMES = 4;
/** Bytes of a log's segment that are read at once where most of it is left out. */
const BLOCK = 32 * 1024;
/** Bytes of interior pages that are held for both sides. */
const INTERIOR = 4 * 1024 * 1024;
/** Reads of the bucket at most, of the 10,000 requests that a Worker may make. */
const MOST_READS = 9000;
/** Pages of both sides at most: the indexes of a log take 8 bytes for each. */
const MOST_PAGES = 3_000_000;
/** With a larger part of the pages changed, all of them are read. */
const MOST_CHANGED = 0.25;

/** An open comparison. Close it when done: it holds two images. */
export class Diff {
  readonly #comparison: Comparison;
  readonly #sides: readonly [CountedPages, CountedPages];

  constructor(comparison: Comparison, sides: readonly [CountedPages, CountedPages]) {
    this.#comparison = comparison;
    this.#sides = sides;
  }

  /** Compare everything, and count the rows that differ. @throws NightjarError as the parts below */
  async summarize(): Promise<DiffDone> {
    return this.#withPages(await summarize(this.#comparison));
  }

  /**
   * Write the rows that differ as lines of JSON, and last the summary.
   *
   * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`, `QUERY_LIMIT`
   */
  async *lines(): AsyncIterable<Uint8Array> {
    const done = this.#withPages(yield* writeRowLines(this.#comparison));
    yield encode(`${JSON.stringify({ done } satisfies DiffLine)}\n`);
  }

  /** Refuse what `sql` would refuse. @throws NightjarError `SCHEMA_UNSAFE` */
  refuseSql(): Promise<void> {
    return refuseDiff(this.#comparison);
  }

  /** Write the statements that make the later side of the earlier one. @throws NightjarError as `lines` */
  sql(): AsyncIterable<Uint8Array> {
    return writeDiff(this.#comparison);
  }

  close(): void {
    this.#comparison.close();
  }

  #withPages(summary: Summary): DiffDone {
    const total = (count: (side: CountedPages) => number) =>
      this.#sides.reduce((sum, side) => sum + count(side), 0);
    const pages = { read: total(({ reads }) => reads), of: total(({ pageCount }) => pageCount) };
    return { ...structuredClone(summary), pages } as DiffDone;
  }
}

/**
 * Open two backups or moments of one database to compare them, without the rows of the erasure list. Two
 * states of one lineage are compared by the pages that the log says were written between them.
 *
 * @throws NightjarError `BACKUP_ENCRYPTED`; `FORMAT_UNAVAILABLE` for a dump; `QUERY_LIMIT` for databases that
 *   are too large; as `openStored` and `Comparison.open`
 */
export async function openDiff(
  context: Context,
  from: Stored,
  to: Stored,
  selection: Selection,
): Promise<Diff> {
  for (const stored of [from, to]) refuseUnreadable(stored);
  const [old, now] = [await erasuresFor(context, from), await erasuresFor(context, to)];
  const counter = new ReadCounter(context.bucket, MOST_READS);
  const changed =
    old.length + now.length === 0 ? await changedBetween(context, counter, from, to) : undefined;
  const common = changed && new InteriorCache(changed, INTERIOR);
  const [before, after] = [
    await openPages(counter, from, common),
    await openPages(counter, to, common),
  ];
  const pages = changed === undefined ? undefined : await pagesToSkip(before, after, changed);
  const images: Image[] = [];
  try {
    images.push(await openSide(context, from, before, old));
    images.push(await openSide(context, to, after, now));
    const comparison = await Comparison.open(images[0]!, images[1]!, selection, pages);
    return new Diff(comparison, [before, after]);
  } catch (thrown) {
    for (const image of images) image.close();
    throw thrown;
  }
}

function refuseUnreadable(stored: Stored): void {
  refuseEncrypted(stored);
  if ("moment" in stored || stored.manifest.kind === "snapshot") return;
  throw new NightjarError(
    "FORMAT_UNAVAILABLE",
    `Backup ${stored.manifest.id} is a dump, which cannot be compared where it lies.`,
    { hint: "Download it, or compare backups that were made by pages." },
  );
}

function erasuresFor(context: Context, stored: Stored): Promise<Erasure[]> {
  if ("manifest" in stored) return erasuresOfBackup(context, stored.manifest);
  return erasuresAt(context, stored.moment.database, earliestOf(stored.moment));
}

/** Describe a side for people and programs. */
export function describeSide(stored: Stored): DiffSide {
  const asOf =
    "moment" in stored
      ? iso(stored.moment.committedAt)
      : (stored.manifest.snapshot?.committedAt ?? stored.manifest.takenAt);
  const place = placeOf(stored);
  const backup = "manifest" in stored ? stored.manifest.id : null;
  return { backup, asOf, lineage: place?.lineage ?? null, txid: place?.txid ?? null };
}

/** Return the place in the log that has the same pages; undefined if there is none. */
function placeOf(stored: Stored): { lineage: string; txid: number } | undefined {
  if ("moment" in stored) return stored.moment;
  return stored.manifest.snapshot?.log ?? undefined;
}

/**
 * Read from the log which pages differ between two states of one lineage; undefined if it does not have that.
 */
async function changedBetween(
  { bucket, catalog }: Context,
  counter: ObjectReader,
  from: Stored,
  to: Stored,
): Promise<PageSet | undefined> {
  const [old, now] = [placeOf(from), placeOf(to)];
  if (old === undefined || old.lineage !== now?.lineage) return undefined;
  const segments = await segmentsOf(catalog, old.lineage);
  const ends = [Math.min(old.txid, now.txid), Math.max(old.txid, now.txid)] as const;
  const chain = chainBetween(segments, ...ends);
  if (chain === undefined) return undefined;
  await bucket.expect(chain.map(({ key }) => key));
  const changed = new PageSet();
  for (const segment of chain)
    for (const { pgno } of (await readSegmentIndex(counter, segment)).entries()) changed.add(pgno);
  return changed;
}

/** Return the pages by which rows can be left out; undefined if all rows must be read. */
async function pagesToSkip(
  before: PageReader,
  after: PageReader,
  changed: PageSet,
): Promise<ChangedPages | undefined> {
  const count = Math.min(before.pageCount, after.pageCount);
  if (before.pageSize !== after.pageSize || changed.size > count * MOST_CHANGED) return undefined;
  if (await hasStrayOverflow(after, changed)) return undefined;
  return { before, after, changed };
}

/**
 * Open the pages of a side, and count those that are read.
 *
 * @param common pages of both sides; undefined where all pages are read
 */
async function openPages(
  counter: ObjectReader,
  stored: Stored,
  common: InteriorCache | undefined,
): Promise<CountedPages> {
  const cache = new BlockCache(CACHE);
  const [group, block] = common === undefined ? [FRAMES] : [1, BLOCK];
  const pages =
    "manifest" in stored
      ? await openSnapshot(counter, stored.manifest, cache, group)
      : await openLog(counter, stored.moment.chain, stored.moment, cache, block);
  if (pages.pageCount > MOST_PAGES / 2)
    throw new NightjarError(
      "QUERY_LIMIT",
      `The database has ${pages.pageCount} pages; a Worker compares ${MOST_PAGES / 2} at the most.`,
      { hint: "Download both, and compare the files." },
    );
  return new CountedPages(pages, common);
}

/** Counts the pages that are read. */
class CountedPages implements PageReader {
  reads = 0;
  readonly pageSize: number;
  readonly pageCount: number;
  readonly #pages: PageReader;
  readonly #common: InteriorCache | undefined;

  constructor(pages: PageReader, common: InteriorCache | undefined) {
    this.pageSize = pages.pageSize;
    this.pageCount = pages.pageCount;
    this.#pages = pages;
    this.#common = common;
  }

  usePage<T>(pgno: number, use: (page: Uint8Array) => T): T | Promise<T> {
    const held = this.#common?.get(pgno);
    if (held !== undefined) return use(held);
    this.reads++;
    return this.#pages.usePage(pgno, (page) => {
      this.#common?.offer(pgno, page);
      return use(page);
    });
  }
}

function openSide(
  context: Context,
  stored: Stored,
  pages: PageReader,
  erasures: readonly Erasure[],
): Promise<Image> {
  return erasures.length === 0 ? openImage(pages) : openStored(context, stored, erasures);
}
