import { readJson, readLines } from "../../core/read-body.ts";
import { printableLines } from "../../core/printable.ts";
import { messageOf } from "../../errors/errors.ts";
import { type DiffFound, type DiffLine, parseDiff, parseDiffLine } from "../../model/diff-line.ts";
import { type Client, reach, refusal } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { findBackup } from "../find-backup.ts";
import { printWarnings } from "../warnings.ts";

/** One side of a diff, as the API takes it. */
type Side = { backup: string } | { at: string };

interface Asked {
  readonly from: Side;
  readonly to: Side;
  readonly tables?: string[];
}

/** Characters of a line at most: a row may be long. */
const LONGEST_LINE = 256 * 1024 * 1024;
/** Bytes of a summary at most, with the text of every object that differs on both sides. */
const LONGEST_SUMMARY = 64 * 1024 * 1024;
/** The SQL of two sides that are the same. */
const NO_SQL = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n";
const END = "COMMIT;\n";

/**
 * Find what a word names: a backup, or a moment.
 *
 * @throws CliError as `findBackup`
 */
export async function sideOf(client: Client, db: string, word: string): Promise<Side> {
  if (/^\d{4}-\d\d-\d\dT/.test(word)) return { at: word };
  const backup = await findBackup(client, db, word);
  printWarnings({ ...backup, warnings: [] });
  return { backup: backup.id };
}

/** Ask what differs, without the rows. @throws CliError as `reach` and `refusal` */
export async function diffSummary(client: Client, db: string, asked: Asked): Promise<DiffFound> {
  const body = await bodyFor(client, db, asked, "summary");
  try {
    return parseDiff(await readJson({ body }, LONGEST_SUMMARY));
  } catch (error) {
    throw brokenOff(messageOf(error));
  }
}

/**
 * Ask what differs, with all rows. The last line is the summary.
 *
 * @throws CliError for an answer that breaks off; as `reach` and `refusal`
 */
export async function* diffLines(
  client: Client,
  db: string,
  asked: Asked,
): AsyncIterable<Exclude<DiffLine, { error: unknown }>> {
  const lines = readLines(await bodyFor(client, db, asked, "rows"), LONGEST_LINE);
  try {
    for await (const text of lines) {
      const line = parseDiffLine(text);
      if ("error" in line) throw new CliError(EXIT.failed, line.error.message, line.error);
      yield line;
      if ("done" in line) return;
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw brokenOff(messageOf(error));
  }
  throw brokenOff("it ended before its last line");
}

/**
 * Print the SQL that makes the second side of the first.
 *
 * @returns true if anything differs
 * @throws CliError for an answer that breaks off; as `reach` and `refusal`
 */
export async function diffSql(client: Client, db: string, asked: Asked): Promise<boolean> {
  const body = await bodyFor(client, db, asked, "sql");
  const decoder = new TextDecoder();
  let length = 0;
  let end = "";
  try {
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      end = (end + Buffer.from(chunk).toString("latin1")).slice(-END.length);
      // On a terminal what would change it is shown, not done.
      const shown = process.stdout.isTTY
        ? printableLines(decoder.decode(chunk, { stream: true }))
        : chunk;
      if (!process.stdout.write(shown))
        await new Promise((resolve) => void process.stdout.once("drain", resolve));
    }
  } catch (error) {
    throw brokenOff(messageOf(error));
  }
  if (end !== END) throw brokenOff("it has no COMMIT");
  return length !== NO_SQL.length;
}

async function bodyFor(
  client: Client,
  db: string,
  asked: Asked,
  detail: "summary" | "rows" | "sql",
): Promise<ReadableStream<Uint8Array>> {
  const response = (await reach(
    client.v1.databases[":db"].diff.$post({ param: { db }, json: { ...asked, detail } }),
  )) as unknown as Response;
  if (!response.ok || response.body === null) throw await refusal(response);
  return response.body;
}

function brokenOff(why: string): CliError {
  return new CliError(EXIT.failed, `Nightjar's answer broke off: ${why}.`, {
    hint: "What was printed is not all that differs. Run it again.",
  });
}
