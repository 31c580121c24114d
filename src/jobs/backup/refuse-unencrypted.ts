import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import { objectExists } from "../../store/read.ts";
import { removeObjects } from "../../store/remove.ts";

/**
 * Refuse to publish a backup that is not encrypted to exactly the recipients configured now, and remove
 * it: whatever the cause, encryption is never silently off. A backup that is published already stays.
 *
 * @throws NightjarError `ENCRYPTION_MISSING`; `STORE_FAILED` if it could not be removed
 */
export async function refuseUnencrypted(
  { bucket, fleet }: Context,
  { database, key, manifestKey, encryption }: Manifest,
): Promise<void> {
  const wanted = (await fleet.find(database))?.recipients ?? [];
  const used = encryption?.recipients ?? [];
  if (wanted.length === 0 || wanted.toSorted().join() === used.toSorted().join()) return;
  if (await objectExists(bucket, manifestKey)) return;
  await removeObjects(bucket, [key]);
  throw new NightjarError(
    "ENCRYPTION_MISSING",
    encryption === undefined
      ? `The backup of ${database} is not encrypted, which the configuration asks for.`
      : `The backup of ${database} is encrypted to other recipients than the configured ones.`,
  );
}
