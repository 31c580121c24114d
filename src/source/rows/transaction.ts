import type { Deps } from "../../core/deps.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { readRow, readRows, type Row } from "../../libsql/cursor.ts";
import { readPipelineRows } from "../../libsql/pipeline-rows.ts";
import type { Source } from "../../libsql/server.ts";

/** The form of the answers; `pipeline` has them in JSON, which has no number for ±Infinity. */
export type Wire = "cursor" | "pipeline";

/** A way to read rows in one transaction. */
export interface Transactions {
  readonly wire: Wire;
  /**
   * Run statements in one transaction, which one request begins and commits. Yields the rows as they come.
   * A blob's memory is valid until the next ones. That the COMMIT is accepted shows that the transaction
   * was open to its end.
   *
   * @throws NightjarError as `readRows` and `readPipelineRows`
   */
  read(statements: readonly string[]): AsyncIterable<readonly Row[]>;
}

/**
 * Find out how a server gives rows: by Hrana's cursor, which streams, or else by one batch in JSON.
 *
 * @throws NightjarError `SOURCE_NOT_FOUND` if it offers neither; as `readRows`
 */
export async function findTransactions(source: Source, deps: Deps): Promise<Transactions> {
  const cursor: Transactions = {
    wire: "cursor",
    async *read(statements) {
      // BEGIN takes effect with the first read, so all of it is of the same moment.
      for await (const rows of readRows(source, deps, ["BEGIN", ...statements, "COMMIT"])) {
        for (const row of rows) row.statement--;
        yield rows;
      }
    },
  };
  const pipeline: Transactions = {
    wire: "pipeline",
    read: (statements) => readPipelineRows(source, deps, statements),
  };
  try {
    await readRow(source, deps, "SELECT 1");
    return cursor;
  } catch (thrown) {
    if (asNightjarError(thrown).code !== "SOURCE_NOT_FOUND") throw thrown;
  }
  for await (const rows of pipeline.read(["SELECT 1"]))
    if (rows[0]?.values[0] === 1n) return pipeline;
  throw new NightjarError("SOURCE_NOT_FOUND", "POST /v2/pipeline answered without a row.");
}

/** Return true if a server gives rows by SQL. @throws NightjarError as `findTransactions` */
export async function offersRows(source: Source, deps: Deps): Promise<boolean> {
  await findTransactions(source, deps);
  return true;
}
