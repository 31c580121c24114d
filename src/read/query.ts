import type { Context } from "../worker/context.ts";
import { NightjarError } from "../errors/errors.ts";
import type { PageReader } from "../format/pages/page.ts";
import type { Manifest } from "../model/manifest.ts";
import { openImage } from "../sqlite/engine/open.ts";
import { type Answer, DEFAULT_LIMITS, runQuery, type Query } from "../sqlite/query.ts";
import { openLog } from "../store/log-reader.ts";
import { type ObjectReader, ReadCounter } from "../store/read-counter.ts";
import { openSnapshot } from "../store/snapshot-reader.ts";
import type { Moment } from "./moment.ts";
import { atOnce, COSTS } from "../worker/memory.ts";
import { refuseEncrypted } from "./stored.ts";

/** An answer, with its cost. */
export interface StoredAnswer extends Answer {
  /** Number of reads of the bucket. */
  readonly reads: number;
}

/**
 * Query a stored snapshot in place in the bucket.
 *
 * @throws NightjarError `FORMAT_UNAVAILABLE` for a dump; `BACKUP_ENCRYPTED`; `QUERY_REFUSED`,
 *   `QUERY_FAILED`, `QUERY_LIMIT`; `BUSY`
 */
export async function queryBackup(
  context: Context,
  manifest: Manifest,
  query: Query,
): Promise<StoredAnswer> {
  refuseEncrypted({ manifest });
  if (manifest.kind === "dump")
    throw new NightjarError(
      "FORMAT_UNAVAILABLE",
      "This backup is a dump, which cannot be queried where it lies.",
      { hint: "Download it, or query a backup that was made by pages." },
    );
  return queryStored(context, (bucket) => openSnapshot(bucket, manifest), query);
}

/** Query the database as it was at a moment of its log. */
export async function queryMoment(
  context: Context,
  moment: Moment,
  query: Query,
): Promise<StoredAnswer> {
  return queryStored(context, (bucket) => openLog(bucket, moment.chain, moment), query);
}

function queryStored(
  context: Context,
  open: (bucket: ObjectReader) => Promise<PageReader>,
  query: Query,
): Promise<StoredAnswer> {
  return atOnce(context, COSTS.query, () => queryAtOnce(context, open, query));
}

async function queryAtOnce(
  { bucket, deps }: Context,
  open: (bucket: ObjectReader) => Promise<PageReader>,
  query: Query,
): Promise<StoredAnswer> {
  const counter = new ReadCounter(bucket);
  const image = await openImage(await open(counter));
  try {
    const answer = await runQuery(image, query, DEFAULT_LIMITS, () => deps.now());
    return { ...answer, reads: counter.reads };
  } finally {
    image.close();
  }
}
