import { encode } from "../../format/bytes/bytes.ts";
import type { Engine } from "./engine.ts";
import { type Bound, Statement } from "./statement.ts";

/** Return all rows of one of our own statements. `read` is called while its row is current. */
export async function allRows<T>(
  engine: Engine,
  sql: string,
  read: (row: Statement) => T,
  args: readonly Bound[] = [],
): Promise<T[]> {
  const { statement } = await Statement.prepare(engine, encode(sql));
  const rows: T[] = [];
  try {
    args.forEach((value, at) => statement!.bind(at + 1, value));
    while (await statement!.step()) rows.push(read(statement!));
  } finally {
    await statement!.finalize();
  }
  return rows;
}
