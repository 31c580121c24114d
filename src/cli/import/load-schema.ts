import { decode } from "../../format/bytes/bytes.ts";
import { readSqlHead } from "../../format/sql/head.ts";
import { SqlScanner } from "../../format/sql/scanner.ts";
import { refuseForeign } from "../../format/sql/written-sql.ts";
import { NEEDS_LIBSQL } from "../files/load-sql.ts";
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
 * Make the tables and views of a schema that Nightjar has written.
 *
 * @throws NightjarError `DUMP_UNSAFE`; Error; what SQLite says of a statement
 */
export async function loadSchema(
  source: AsyncIterable<Uint8Array>,
  database: Database,
): Promise<Later> {
  const statements: string[] = [];
  const leftOut: string[] = [];
  let committed = false;
  const scanner = new SqlScanner(
    (statement) => {
      const { bytes, length } = statement;
      if (length > bytes.length) throw new Error(`a statement has ${length} bytes`);
      refuseForeign(statement);
      const { does, verb } = readSqlHead(bytes);
      if (verb === "COMMIT") committed = true;
      if (does === "transaction") return;
      const sql = decode(bytes);
      if (does === "create-index" || does === "create-trigger") statements.push(sql);
      else database.exec(sql);
    },
    LONGEST,
    (comment) => {
      if (comment.startsWith(NEEDS_LIBSQL)) leftOut.push(comment.slice(NEEDS_LIBSQL.length));
    },
  );
  for await (const chunk of source) scanner.push(chunk);
  if (!scanner.complete || !committed) throw new Error("the schema ended before its COMMIT");
  return { statements, leftOut };
}
