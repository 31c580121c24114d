import { decode, encode } from "../../format/bytes/bytes.ts";
import { readSqlHead } from "../../format/sql/head.ts";
import { SqlScanner } from "../../format/sql/scanner.ts";
import { SqlSelector } from "../../format/sql/select-sql.ts";
import { refuseForeign } from "../../format/sql/written-sql.ts";
import { type Selection, selects } from "../../format/tables/selection.ts";
import { LibsqlNotes } from "../files/libsql-notes.ts";
import type { Database } from "../sqlite/database.ts";

/** The longest statement of a schema that is taken, bytes. */
const LONGEST = 64 * 1024 * 1024;

/** What is left of a schema once its tables are there. */
export interface Later {
  /** Statements that make indexes and triggers, which are to come after the rows. */
  readonly statements: readonly string[];
  /** Statements that only libSQL can run. */
  readonly leftOut: readonly string[];
}

/**
 * Make the tables and views of a schema that Nightjar has written, as far as they are selected.
 *
 * @throws NightjarError `DUMP_UNSAFE`; Error; what SQLite says of a statement
 */
export async function loadSchema(
  source: AsyncIterable<Uint8Array>,
  database: Database,
  selection: Selection,
): Promise<Later> {
  const statements: string[] = [];
  const notes = new LibsqlNotes();
  let committed = false;
  const selector = new SqlSelector(selection);
  const scanner = new SqlScanner(
    (statement) => {
      const { bytes, length } = statement;
      notes.passStatement();
      if (length > bytes.length) throw new Error(`a statement has ${length} bytes`);
      refuseForeign(statement);
      const { does, verb } = readSqlHead(bytes);
      if (verb === "COMMIT") committed = true;
      const taken = selector.take(bytes);
      if (taken === undefined) return;
      const sql = decode(taken);
      if (does === "create-index" || does === "create-trigger") statements.push(sql);
      else database.exec(sql);
    },
    LONGEST,
    (comment) => notes.addComment(comment),
  );
  for await (const chunk of source) scanner.push(chunk);
  if (!scanner.complete || !committed) throw new Error("the schema ended before its COMMIT");
  const leftOut = notes
    .statements()
    .filter((sql) => selects(selection, readSqlHead(encode(sql)).table));
  return { statements, leftOut };
}
