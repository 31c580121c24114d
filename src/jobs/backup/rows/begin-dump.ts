import { asNightjarError } from "../../../errors/errors.ts";
import { readCatalog, readTables, type RowEvent } from "../../../source/rows/read-tables.ts";
import type { Transactions } from "../../../source/rows/transaction.ts";
import { DumpText } from "./dump-text.ts";
import { planDump } from "./plan-dump.ts";

/** Attempts to read the tables while migrations change the schema. */
const TRIES = 4;

/** The rows of a database that are being read, and what writes them as SQL. */
interface Begun {
  readonly text: DumpText;
  readonly userVersion: number;
  readonly events: AsyncIterable<RowEvent>;
}

/**
 * Plan by the schema, and begin to read: again if the schema was changed between the two.
 *
 * @throws NightjarError as `readCatalog`, `planDump` and `readTables`
 */
export async function beginDump(transactions: Transactions): Promise<Begun> {
  for (let tries = 1; ; tries++) {
    const catalog = await readCatalog(transactions);
    const plan = planDump(catalog);
    const reads = plan.tables.map(({ name, plan: { columns } }) => ({ name, columns }));
    const events = readTables(transactions, catalog, reads)[Symbol.asyncIterator]();
    try {
      const first = await events.next();
      const text = new DumpText(plan);
      return { text, userVersion: catalog.userVersion, events: resumed(first, events) };
    } catch (thrown) {
      if (asNightjarError(thrown).code !== "SCHEMA_CHANGED" || tries === TRIES) throw thrown;
    }
  }
}

/** Yield the first event, which was read already, and those after it. */
async function* resumed(
  first: IteratorResult<RowEvent>,
  events: AsyncIterator<RowEvent>,
): AsyncIterable<RowEvent> {
  try {
    for (let next = first; next.done !== true; next = await events.next()) yield next.value;
  } finally {
    await events.return?.(); // frees the server's transaction when the reader leaves early
  }
}
