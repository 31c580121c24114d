import {
  type Lineage,
  lineagesOf,
  type Segment,
  segmentAt,
  segmentsOf,
} from "../catalog/lineages.ts";
import type { Context } from "../worker/context.ts";
import { iso } from "../core/iso.ts";
import { NightjarError } from "../errors/errors.ts";
import { mergePages } from "../format/pages/merge-pages.ts";
import type { Page } from "../format/pages/page.ts";
import { chainTo } from "../plan/log-chain.ts";
import { readSegment } from "../store/log-reader.ts";

/** A state of a database that its log can restore. */
export interface Moment {
  database: string;
  lineage: string;
  txid: number;
  /** Time of its last commit, ms: the latest possible one. */
  committedAt: number;
  /** The commit may have been made up to this many ms earlier; null if that was not kept. */
  uncertaintyMs: number | null;
  pageSize: number;
  pageCount: number;
  /** The segments that make it, in the order in which they are laid over one another. */
  chain: readonly Segment[];
}

/**
 * Memory for reading all segments of a chain at once, and the smallest and largest span of one read;
 * bytes.
 */
const READ_BYTES = 8 * 1024 * 1024;
const SMALLEST_SPAN = 16 * 1024;
const LARGEST_SPAN = 1024 * 1024;

/**
 * Return the first and the last moment at which the log of a database can be queried, ms.
 *
 * @throws NightjarError `MOMENT_UNAVAILABLE` if there is no log
 */
export async function windowOf(
  context: Context,
  database: string,
): Promise<{ from: number; to: number; lineages: Lineage[] }> {
  const lineages = await lineagesOf(context.catalog, database);
  for (const { id } of lineages) {
    const from = await oldestMoment(context, id);
    if (from !== undefined) return { from, to: lineages.at(-1)!.checkedAt, lineages };
  }
  throw new NightjarError("MOMENT_UNAVAILABLE", `${database} has no page log.`, {
    hint: 'A backup by pages begins one: make a backup, unless the `capture` of the database is "dump" or its server offers only dumps.',
  });
}

/**
 * Return the database as of the last commit in its log at or before `at` (ms). A commit whose time is
 * not known exactly counts as made at the latest possible time: no state is returned that is later than
 * asked.
 *
 * @throws NightjarError `MOMENT_UNAVAILABLE` that names the window which can be asked for
 */
export async function momentAt(context: Context, database: string, at: number): Promise<Moment> {
  const { from, to, lineages } = await windowOf(context, database);
  const segment = at <= to ? await segmentAt(context.catalog, database, at) : undefined;
  if (segment === undefined || at < from)
    throw new NightjarError(
      "MOMENT_UNAVAILABLE",
      `The log of ${database} reaches from ${iso(from)} to ${iso(to)}; ${iso(at)} is outside of it.`,
    );
  const asked = lineages.find(({ id }) => id === segment.lineage)?.checkedAt ?? 0;
  if (at > asked)
    throw new NightjarError(
      "MOMENT_UNAVAILABLE",
      `Nobody saw what ${database} was at ${iso(at)}: its server lost its history between ${iso(asked)} and the next capture.`,
    );
  return momentOf(context, database, segment.lineage, segment.maxTxid);
}

/** Return the first moment that a lineage can restore, ms; undefined if its bases are deleted. */
async function oldestMoment({ catalog }: Context, lineage: string): Promise<number | undefined> {
  const bases = (await segmentsOf(catalog, lineage)).filter(({ minTxid }) => minTxid === 1);
  return bases.length === 0 ? undefined : Math.min(...bases.map(({ at }) => at));
}

/**
 * Return the moment of a transaction of a lineage.
 *
 * @throws NightjarError `MOMENT_UNAVAILABLE` if the log no longer holds it
 */
export async function momentOf(
  { catalog, bucket }: Context,
  database: string,
  lineage: string,
  txid: number,
): Promise<Moment> {
  const rows = await segmentsOf(catalog, lineage);
  const row = (await lineagesOf(catalog, database)).find(({ id }) => id === lineage);
  const chain = chainTo(rows, txid);
  if (chain === undefined || row === undefined)
    throw new NightjarError(
      "MOMENT_UNAVAILABLE",
      `The log of ${database} no longer holds transaction ${txid} of ${lineage}.`,
    );
  await bucket.expect(chain.map(({ key }) => key));
  const { at: committedAt, uncertainty: uncertaintyMs, pageCount } = chain.at(-1)!;
  const { pageSize } = row;
  return { database, lineage, txid, committedAt, uncertaintyMs, pageSize, pageCount, chain };
}

/** Return the earliest time at which the last commit of a moment can have been made, ISO 8601. */
export function earliestOf({ committedAt, uncertaintyMs }: Moment): string {
  return iso(committedAt - (uncertaintyMs ?? 0));
}

/** Yield the pages of a moment in ascending order, without the lock page; each segment is checked whole. */
export function pagesOf(
  bucket: R2Bucket,
  { chain, pageCount }: Pick<Moment, "chain" | "pageCount">,
): AsyncIterable<readonly Page[]> {
  const total = chain.reduce((sum, { bytes }) => sum + bytes, 0);
  return mergePages(
    chain.map(({ key, bytes }) => readSegment(bucket, key, bytes, spanFor(bytes, total))),
    pageCount,
  );
}

/** Return the bytes to read at a time of a segment, by its share of the whole; two such spans are held. */
function spanFor(bytes: number, total: number): number {
  const share = Math.floor((READ_BYTES * bytes) / total / 2);
  return Math.max(SMALLEST_SPAN, Math.min(LARGEST_SPAN, share));
}
