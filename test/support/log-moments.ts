import type { Context } from "../../src/worker/context.ts";
import { concat } from "../../src/format/bytes/bytes.ts";
import { databasePages } from "../../src/format/pages/database-file.ts";
import { type Moment, momentOf, pagesOf } from "../../src/read/moment.ts";
import { askFile } from "./open-file.ts";

/** Read the database file of a moment, as a download returns it. */
export async function fileOf(context: Context, moment: Moment): Promise<Uint8Array> {
  const { pageSize, pageCount } = moment;
  const pages: Uint8Array[] = [];
  const file = databasePages(pagesOf(context.bucket, moment), pageSize, pageCount);
  for await (const batch of file.pages) for (const { data } of batch) pages.push(data.slice());
  return concat(pages, pageSize * pageCount);
}

/** Read the first column of each statement's rows at a transaction of a log; SQLite must find it sound. */
export async function askMoment(
  context: Context,
  database: string,
  { lineage, txid }: { lineage: string; txid: number },
  ...statements: string[]
): Promise<string[][]> {
  const file = await fileOf(context, await momentOf(context, database, lineage, txid));
  const [check, ...answers] = await askFile(file, "PRAGMA integrity_check", ...statements);
  if (check?.join() !== "ok")
    throw new Error(`Transaction ${txid} of ${lineage}: ${check?.join("; ")}`);
  return answers;
}
