import type { Context } from "../worker/context.ts";
import type { Choice, RowContent } from "../format/rows/choice.ts";
import type { Erasure } from "../format/tables/erasure.ts";
import { type Selection, lowerName, selectionOf } from "../format/tables/selection.ts";
import { type Format, partsOf } from "../plan/formats.ts";
import type { Image } from "../sqlite/engine/image.ts";
import { openImage } from "../sqlite/engine/open.ts";
import { type ExportPlan, planExport, refuseUnknownTables } from "../sqlite/rows/export-plan.ts";
import { writeExport } from "../sqlite/rows/write-export.ts";
import type { MaskPlan } from "../sqlite/masks/plan-masks.ts";
import { refuseSchemaValues } from "../sqlite/masks/refuse-values.ts";
import type { KeptTable } from "../sqlite/subset/plan-subset.ts";
import { readSchema } from "../sqlite/tables.ts";
import { refuseSql, writeSql } from "../sqlite/sql/write-sql.ts";
import { atOnce, COSTS } from "../worker/memory.ts";
import { masksFor } from "./sanitize.ts";
import { openStored, type Stored, storedPages } from "./stored.ts";

export type { ExportPlan } from "../sqlite/rows/export-plan.ts";

/**
 * Convert stored pages to SQL or rows. Rows are erased, and what cannot be written is refused, before the
 * first byte is yielded: the result is then an error, and not half of a file.
 *
 * @throws NightjarError as `planExport`, `refuseSql` and `openStored`
 */
export async function openExport(
  context: Context,
  stored: Stored,
  format: Format,
  erasures: readonly Erasure[],
  choice: Choice,
): Promise<AsyncIterable<Uint8Array>> {
  const image = await openStored(context, stored, erasures);
  let bytes: AsyncIterable<Uint8Array>;
  try {
    bytes = await write(image, format, choice, await masksFor(context, stored, image, choice));
  } catch (thrown) {
    image.close();
    throw thrown;
  }
  return closing(image, bytes);
}

async function* closing(
  image: Image,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } finally {
    image.close();
  }
}

async function write(
  image: Image,
  format: Format,
  choice: Choice,
  masks: MaskPlan | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const { content, reader } = partsOf(format);
  if (content === "sql") {
    await refusePart(image, choice, masks);
    if (masks !== undefined && choice.only !== "data")
      await refuseSchemaValues(image, await readSchema(image), masks);
    return writeSql(image, reader, sqlSelection(choice), masks);
  }
  const plan = await planExport(image, choice, masks);
  const { blobs } = choice;
  return writeExport(image, plan, content as RowContent, { tagged: isTagged(choice), blobs });
}

/** Return true if each line of `ndjson` names its table: unless exactly one table is asked for. */
function isTagged({ tables }: Choice): boolean {
  return new Set(tables?.map(lowerName)).size !== 1;
}

function sqlSelection({ tables, only }: Choice): Selection {
  return selectionOf({ tables, schemaOnly: only === "schema", dataOnly: only === "data" });
}

async function refusePart(
  image: Image,
  choice: Choice,
  masks: MaskPlan | undefined,
): Promise<void> {
  await refuseUnknownTables(image, choice);
  await refuseSql(image, sqlSelection(choice), masks);
}

/** What a link is to give. */
export interface CheckedExport {
  /** The tables of an export of rows; undefined for SQL and files. */
  readonly plan?: ExportPlan;
  /** Rules of tables and columns that the database does not have; undefined if nothing is masked. */
  readonly unusedRules?: readonly string[];
  /** The rows that a subset keeps of each table, before the erasure list; undefined without a subset. */
  readonly subset?: readonly KeptTable[] | undefined;
}

/**
 * Check what a link is to give, where that takes a look at the stored pages: no link is made that gives
 * nothing but an error. Values in the text of a schema are looked for when it is opened.
 *
 * @throws NightjarError as `openExport`; `BUSY`
 */
export async function checkExport(
  context: Context,
  stored: Stored,
  format: Format,
  choice: Choice,
): Promise<CheckedExport> {
  const { content } = partsOf(format);
  const isRows = content !== "db" && content !== "sql";
  if (!isRows && Object.keys(choice).length === 0) return {};
  return atOnce(context, COSTS.query, async () => {
    const image = await openImage(await storedPages(context, stored));
    try {
      const masks = await masksFor(context, stored, image, choice);
      const told = masks === undefined ? {} : { unusedRules: masks.unused, subset: masks.subset };
      if (isRows) return { plan: await planExport(image, choice, masks), ...told };
      await refusePart(image, choice, masks);
      return told;
    } finally {
      image.close();
    }
  });
}
