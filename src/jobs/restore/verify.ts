import type { Context } from "../../worker/context.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { Verified } from "../../model/restore-report.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { compareImage, differs } from "../../target/compare-image.ts";
import { runStatements } from "../../target/run-statements.ts";
import type { Planned } from "./plan.ts";
import { masksFor } from "../../read/sanitize.ts";
import { openStored } from "../../read/stored.ts";

/**
 * Compare the target with what was restored: its schema's statements, and, if asked for, the number and
 * the hash of the rows of every selected table. A dump has only the numbers. What is sanitized is compared
 * with the masks.
 *
 * @returns null if no rows were compared
 * @throws NightjarError `RESTORE_DIFFERS` that names the difference; as `runStatements`
 */
export async function compareTarget(
  context: Context,
  planned: Planned,
  onTable: (table: string, rows: number) => Promise<void>,
): Promise<Verified | null> {
  const { subject, erasures, target, selection, plan, verify, sanitize } = planned;
  if ("manifest" in subject && subject.manifest.kind === "dump")
    return verify && selection.rows ? countTables(context, planned) : null;
  const image = await openStored(context, subject, erasures);
  try {
    const masks = await masksFor(context, subject, image, { sanitize });
    const what = { selection, way: plan.way, rows: verify, masks };
    return await compareImage(target.server, context.deps, image, what, onTable);
  } finally {
    image.close();
  }
}

async function countTables(
  context: Context,
  { target, plan, erasures }: Planned,
): Promise<Verified> {
  // The rows of a virtual table are those of its shadow tables.
  const counted = plan.tables.flatMap(({ name, rows }) => (rows === null ? [] : [{ name, rows }]));
  const answers = await runStatements(
    target.server,
    context.deps,
    counted.map(({ name }) => ({ sql: `SELECT count(*) FROM ${quoteName(name)}` })),
  );
  let total = 0;
  counted.forEach(({ name, rows }, at) => {
    const found = Number(answers[at]![0]![0]);
    const fewer = erasures.some(({ table }) => lowerName(table) === lowerName(name));
    if (fewer ? found > rows : found !== rows)
      throw differs(`table ${name} has ${found} rows, not ${rows}`);
    total += found;
  });
  return { tables: counted.length, rows: total, hashed: false };
}
