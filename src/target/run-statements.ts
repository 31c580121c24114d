import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import type { Value } from "../libsql/hrana-messages.ts";
import { redact, type Source } from "../libsql/server.ts";
import { send, type Step, type Told } from "./pipeline.ts";

/**
 * Run small statements one after the other on a connection of their own, and return the rows of each.
 *
 * @throws NightjarError `TARGET_REFUSED` with the server's words; as `send`
 */
export async function runStatements(
  target: Source,
  deps: Deps,
  batch: readonly Step[],
): Promise<readonly Value[][][]> {
  const { told } = await send(target, deps, [{ batch }, { close: true }]);
  return rowsOf(target, told[0]!);
}

/** @throws NightjarError `TARGET_REFUSED` with the server's words */
export function rowsOf(target: Source, told: Told): readonly Value[][][] {
  if ("rows" in told) return told.rows;
  throw new NightjarError("TARGET_REFUSED", `The target says: ${redact(told.refused, target)}`);
}
