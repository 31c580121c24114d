import type { Context } from "../context.ts";
import { NightjarError } from "../errors.ts";
import type { PageReader } from "../format/page.ts";
import type { Manifest } from "../manifest.ts";
import { openImage } from "../sqlite/open.ts";
import { type Answer, DEFAULT_LIMITS, query, type Question } from "../sqlite/query.ts";
import { openLog } from "../store/log-reader.ts";
import { openSnapshot } from "../store/snapshot-reader.ts";
import type { Moment } from "./log-moment.ts";

/**
 * Ask a stored snapshot a question in SQL, in the bucket where it lies.
 *
 * @throws NightjarError `FORMAT_UNAVAILABLE` for a dump; `QUERY_REFUSED`, `QUERY_FAILED`, `QUERY_LIMIT`
 */
export async function askBackup(
  context: Context,
  manifest: Manifest,
  question: Question,
): Promise<Answer> {
  if (manifest.kind === "dump")
    throw new NightjarError(
      "FORMAT_UNAVAILABLE",
      "This backup is a dump, which cannot be asked in SQL where it lies.",
      { hint: "Download it, or ask a backup that was made by pages." },
    );
  return ask(context, await openSnapshot(context.bucket, manifest), question);
}

/** Ask the database as it was at a moment of its log. @throws NightjarError as `askBackup` */
export async function askMoment(
  context: Context,
  moment: Moment,
  question: Question,
): Promise<Answer> {
  return ask(context, await openLog(context.bucket, moment.chain, moment), question);
}

async function ask({ deps }: Context, pages: PageReader, question: Question): Promise<Answer> {
  const image = await openImage(pages);
  try {
    return await query(image, question, DEFAULT_LIMITS, () => deps.now());
  } finally {
    image.close();
  }
}
