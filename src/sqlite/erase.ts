import { eraseRows as eraseFrom } from "../erase/erase.ts";
import { type ErasingDatabase, SqlRefused } from "../erase/port.ts";
import { encode } from "../format/bytes/bytes.ts";
import type { Erased, Erasure } from "../format/tables/erasure.ts";
import { CODE } from "./engine/codes.ts";
import { type Engine, SqliteError } from "./engine/engine.ts";
import { Statement } from "./engine/statement.ts";

/** SQLITE_ERROR and SQLITE_CONSTRAINT: SQLite's codes for a statement that it cannot or may not run. */
const REFUSALS = new Set([1, 19]);

/**
 * Delete the rows of an erasure list from an open database whose written pages stay in memory. Only its
 * rows may be read afterwards: indexes of the tables that lose rows become useless.
 *
 * @returns also the text of each such index, by name
 * @throws NightjarError as `erase/erase.ts`; the page reader's own
 */
export async function eraseRows(
  engine: Engine,
  erasures: readonly Erasure[],
): Promise<{ erased: Erased; hidden: ReadonlyMap<string, string> }> {
  const hidden = new Map<string, string>();
  const database: ErasingDatabase = {
    onHidden: (index, sql) => void hidden.set(index, sql),
    async each(sql, args, read) {
      try {
        await eachRow(engine, sql, args, read);
      } catch (thrown) {
        if (!(thrown instanceof SqliteError) || !REFUSALS.has(thrown.code)) throw thrown;
        throw new SqlRefused(thrown.message, { cause: thrown });
      }
    },
  };
  return { erased: await eraseFrom(database, erasures), hidden };
}

async function eachRow(
  engine: Engine,
  sql: string,
  args: readonly (string | Uint8Array)[],
  read: Parameters<ErasingDatabase["each"]>[2],
): Promise<void> {
  const { statement } = await Statement.prepare(engine, encode(sql));
  if (statement === undefined) throw new SqliteError(CODE.OK, "no statement");
  const row = {
    text: (at: number) => statement.text(at) ?? "",
    bytes: (at: number) => statement.view(at),
  };
  try {
    args.forEach((arg, at) =>
      statement.bind(at + 1, typeof arg === "string" ? { text: encode(arg) } : arg),
    );
    for (;;) {
      const step = statement.step();
      if (!(typeof step === "boolean" ? step : await step)) return;
      read(row);
    }
  } finally {
    await statement.finalize();
  }
}
