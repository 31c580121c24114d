import type { Context } from "../worker/context.ts";
import { NightjarError } from "../errors/errors.ts";
import type { PageReader } from "../format/pages/page.ts";
import type { Manifest } from "../model/manifest.ts";
import { openImage } from "../sqlite/engine/open.ts";
import { type Answer, DEFAULT_LIMITS, query, type Question } from "../sqlite/query.ts";
import { openLog } from "../store/log-reader.ts";
import { type ObjectReader, ReadCounter } from "../store/read-counter.ts";
import { openSnapshot } from "../store/snapshot-reader.ts";
import type { Moment } from "./moment.ts";
import { atOnce, COSTS } from "../worker/memory.ts";
import { refuseEncrypted } from "./stored.ts";

/** An answer, and what it cost. */
export interface StoredAnswer extends Answer {
  /** Reads of the bucket. */
  readonly reads: number;
}

/**
 * Ask a stored snapshot a question in SQL, in the bucket where it lies.
 *
 * @throws NightjarError `FORMAT_UNAVAILABLE` for a dump; `BACKUP_ENCRYPTED`; `QUERY_REFUSED`, `QUERY_FAILED`, `QUERY_LIMIT`; `BUSY`
 */
export async function askBackup(
  context: Context,
  manifest: Manifest,
  question: Question,
): Promise<StoredAnswer> {
  refuseEncrypted({ manifest });
  if (manifest.kind === "dump")
    throw new NightjarError(
      "FORMAT_UNAVAILABLE",
      "This backup is a dump, which cannot be asked in SQL where it lies.",
      { hint: "Download it, or ask a backup that was made by pages." },
    );
  return ask(context, (bucket) => openSnapshot(bucket, manifest), question);
}

/** Ask the database as it was at a moment of its log. @throws NightjarError as `askBackup` */
export async function askMoment(
  context: Context,
  moment: Moment,
  question: Question,
): Promise<StoredAnswer> {
  return ask(context, (bucket) => openLog(bucket, moment.chain, moment), question);
}

function ask(
  context: Context,
  open: (bucket: ObjectReader) => Promise<PageReader>,
  question: Question,
): Promise<StoredAnswer> {
  return atOnce(context, COSTS.query, () => askAtOnce(context, open, question));
}

async function askAtOnce(
  { bucket, deps }: Context,
  open: (bucket: ObjectReader) => Promise<PageReader>,
  question: Question,
): Promise<StoredAnswer> {
  const counter = new ReadCounter(bucket);
  const image = await openImage(await open(counter));
  try {
    const answer = await query(image, question, DEFAULT_LIMITS, () => deps.now());
    return { ...answer, reads: counter.reads };
  } finally {
    image.close();
  }
}
