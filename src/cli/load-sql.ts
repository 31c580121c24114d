import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../errors.ts";
import type { Selection } from "../format/selection.ts";
import { SqlSelector } from "../format/select-sql.ts";
import { SqlScanner } from "../format/sql-scanner.ts";
import { reach, refusal } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { size } from "./output.ts";
import { Progress } from "./progress.ts";

/** What stands in Nightjar's SQL as a comment because only libSQL can do it. */
const NEEDS_LIBSQL = /^-- needs libSQL: (.*)$/gm;

/** The longest statement that is loaded: a string of JavaScript holds a few more; bytes. */
const LONGEST_STATEMENT = 500_000_000;

/** The bytes behind a link. @throws CliError as `reach` */
export async function linkedBytes(url: string): Promise<AsyncIterable<Uint8Array>> {
  const response = await reach(fetch(url));
  if (!response.ok || response.body === null) throw await refusal(response);
  return response.body;
}

/**
 * Load SQL into a database, statement by statement as it comes, in one transaction.
 *
 * @param sha256 of the whole text, where it is known
 * @returns what was left out because SQLite has it not
 * @throws CliError `failed` when the text is cut, not what it should be, or refused by SQLite
 */
export async function loadSql(
  source: AsyncIterable<Uint8Array>,
  sha256: string | undefined,
  database: DatabaseSync,
  selection: Selection,
  quiet: boolean,
): Promise<string[]> {
  const progress = new Progress(quiet);
  const hash = createHash("sha256");
  const selector = new SqlSelector(selection);
  const leftOut: string[] = [];
  let wanted: Buffer[] = [];
  let committed = false;
  let bytes = 0;
  const scanner = new SqlScanner(({ bytes: statement, length }) => {
    if (length > statement.length)
      throw new Error(`a statement has ${length} bytes, of ${LONGEST_STATEMENT} at the most`);
    const text = Buffer.from(statement.buffer, statement.byteOffset, statement.length);
    if (text.length < 10 && text.toString("latin1") === "COMMIT;") committed = true;
    const taken = selector.take(statement);
    // A copy, on a line of its own: its text may end in a comment.
    if (taken !== undefined) wanted.push(Buffer.concat([taken, Buffer.from("\n")]));
  }, LONGEST_STATEMENT);
  try {
    database.exec("PRAGMA foreign_keys=OFF; BEGIN");
    for await (const chunk of source) {
      hash.update(chunk);
      bytes += chunk.length;
      scanner.push(chunk);
      if (chunk.includes(45))
        for (const [, sql] of Buffer.from(chunk).toString().matchAll(NEEDS_LIBSQL))
          leftOut.push(sql);
      if (wanted.length > 0) {
        const sql = wanted.length === 1 ? wanted[0]! : Buffer.concat(wanted);
        wanted = [];
        database.exec(sql.toString());
      }
      progress.show(`loading ${size(bytes)} of SQL`);
    }
    database.exec("COMMIT");
  } catch (error) {
    throw new CliError(EXIT.failed, `The SQL did not load: ${messageOf(error)}`, {
      hint: "Nothing was kept. What a server's dump cannot carry is told in docs/limits.md.",
    });
  } finally {
    progress.end();
  }
  if (!scanner.complete || !committed)
    throw new CliError(EXIT.failed, "The SQL ended before its COMMIT.", {
      hint: "Run the command again; nothing was kept.",
    });
  if (sha256 !== undefined && hash.digest("hex") !== sha256)
    throw new CliError(EXIT.failed, "The SQL that came is not that of the backup.", {
      hint: "Run the command again; if it stays so, choose another backup.",
    });
  return leftOut;
}
