import type { Context } from "../../worker/context.ts";
import { openStored } from "../../read/stored.ts";
import { masksFor } from "../../read/sanitize.ts";
import { refuseSchemaValues } from "../../sqlite/masks/refuse-values.ts";
import { readSchema } from "../../sqlite/tables.ts";
import type { Planned } from "./plan.ts";

/**
 * Refuse a schema whose text holds values that are masked. It reads every masked value, so it is done when
 * the restore has its memory, and before the target is marked.
 *
 * @throws NightjarError `SANITIZE_UNSAFE`; as `masksFor` and `openStored`
 */
export async function refuseLeaks(
  context: Context,
  { subject, erasures, selection, sanitize }: Planned,
): Promise<void> {
  if (!sanitize || !selection.schema) return;
  const image = await openStored(context, subject, erasures);
  try {
    const masks = await masksFor(context, subject, image, { sanitize });
    await refuseSchemaValues(image, await readSchema(image), masks!);
  } finally {
    image.close();
  }
}
