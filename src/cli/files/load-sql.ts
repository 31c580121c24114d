import { createHash } from "node:crypto";
import { messageOf, NightjarError } from "../../errors/errors.ts";
import { decode } from "../../format/bytes/bytes.ts";
import { LoadableDump } from "../../format/dump/loadable-dump.ts";
import type { Selection } from "../../format/tables/selection.ts";
import { SqlSelector } from "../../format/sql/select-sql.ts";
import { SqlScanner } from "../../format/sql/scanner.ts";
import { refuseForeign } from "../../format/sql/written-sql.ts";
import { CliError, EXIT } from "../exit.ts";
import { Progress } from "../progress.ts";
import type { Database } from "../sqlite/database.ts";
import { LibsqlNotes } from "./libsql-notes.ts";

/** The longest statement that is loaded: a string of JavaScript holds a few more; bytes. */
const LONGEST_STATEMENT = 500_000_000;

/**
 * Load SQL into a database, statement by statement as it comes, in one transaction. Only statements of
 * the kinds that a backup has are run, each by itself and written as SQLite reads it.
 *
 * @param kind what the SQL is: a server's dump, or written by Nightjar
 * @param sha256 of the whole text, where it is known
 * @param database guarded
 * @returns what was left out because SQLite has it not
 * @throws CliError `failed` when the text is cut, not what it should be, or refused by SQLite
 */
export async function loadSql(
  source: AsyncIterable<Uint8Array>,
  kind: "dump" | "written",
  sha256: string | undefined,
  database: Database,
  selection: Selection,
  quiet: boolean,
): Promise<string[]> {
  const progress = new Progress(quiet);
  const hash = createHash("sha256");
  const selector = new SqlSelector(selection);
  const loadable = new LoadableDump();
  const notes = new LibsqlNotes();
  let committed = false;
  let bytes = 0;
  const run = (statement: Uint8Array) => {
    const taken = selector.take(statement);
    if (taken !== undefined) database.exec(taken);
  };
  const scanner = new SqlScanner(
    (statement) => {
      const { bytes: text, length } = statement;
      notes.passStatement();
      if (length > text.length)
        throw new Error(`a statement has ${length} bytes, of ${LONGEST_STATEMENT} at the most`);
      if (text.length < 10 && decode(text) === "COMMIT;") committed = true;
      if (kind === "dump") for (const piece of loadable.take(statement)) run(piece);
      else {
        refuseForeign(statement);
        run(text);
      }
    },
    LONGEST_STATEMENT,
    (comment) => notes.addComment(comment),
  );
  try {
    database.exec("PRAGMA foreign_keys=OFF; BEGIN");
    for await (const chunk of source) {
      hash.update(chunk);
      bytes += chunk.length;
      scanner.push(chunk);
      progress.count("loading SQL:", bytes);
    }
    database.exec("COMMIT");
  } catch (error) {
    throw new CliError(EXIT.failed, `The SQL did not load: ${messageOf(error)}`, {
      hint: "Nothing was kept. What a server's dump cannot carry is told in docs/limits.md.",
      ...(error instanceof NightjarError && { code: error.code, hint: error.hint }),
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
  return notes.statements();
}
