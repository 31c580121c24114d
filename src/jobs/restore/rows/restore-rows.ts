import { asNightjarError, NightjarError } from "../../../errors/errors.ts";
import { readTargetRows } from "../../../target/rows/read-rows.ts";
import { writeTargetRows } from "../../../target/rows/write-rows.ts";
import type { Context } from "../../../worker/context.ts";
import { type PlannedRows } from "./plan-rows.ts";
import { isSameValue } from "./same-value.ts";

/**
 * Write planned rows to their target, in one transaction.
 *
 * @throws NightjarError `PARENTS_MISSING`, as `writeTargetRows`: then nothing was written. `RESTORE_UNKNOWN` when
 *   the last answer was lost, and the target does not tell
 */
export async function restoreRows(context: Context, planned: PlannedRows): Promise<void> {
  const { missing, tables, target } = planned;
  if (missing.length > 0) throw parentsMissing(planned);
  if (tables.every(({ rows }) => rows.every(({ changed }) => changed.length === 0))) return;
  await writeTargetRows(target.server, context.deps, tables, (lost) =>
    areWritten(context, planned, lost),
  );
}

/** Return true if the target has all rows as they were to become. */
async function areWritten(
  { deps }: Context,
  { tables, target: { server } }: PlannedRows,
  lost: unknown,
): Promise<boolean> {
  try {
    for (const { table, columns, rows } of tables) {
      const keys = rows.map(({ key }) => key);
      const there = await readTargetRows(server, deps, { table, columns, keys }, Infinity);
      const isWritten = rows.every(({ values }, at) =>
        values.every((value, column) => {
          const found = there[at]?.[column];
          return found !== undefined && isSameValue(value, found);
        }),
      );
      if (!isWritten) return false;
    }
    return true;
  } catch {
    throw new NightjarError(
      "RESTORE_UNKNOWN",
      `The answer to the last request was lost (${asNightjarError(lost).message}), and the target does not answer: all rows were written, or none.`,
      { hint: "Run the same command with a dry run: it tells which rows differ.", cause: lost },
    );
  }
}

function parentsMissing({ missing }: PlannedRows): NightjarError {
  const words = missing.map(({ table, key, referredBy }) => {
    const values = key.map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    return `${table} (${values.join(", ")}), which ${referredBy} refers to`;
  });
  const message = `Nothing was written: the target does not have ${words.join("; ")}.`;
  if (missing.every(({ stored }) => stored)) return new NightjarError("PARENTS_MISSING", message);
  return new NightjarError("PARENTS_MISSING", message, {
    hint: "The restored state does not have all of these either: choose another one, or insert them first.",
  });
}
