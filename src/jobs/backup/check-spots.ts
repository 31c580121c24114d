import { endLineage, openLineage } from "../../catalog/lineages.ts";
import type { Catalog } from "../../catalog/open.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import { asNightjarError } from "../../errors/errors.ts";
import type { Meter } from "../../format/bytes/hash.ts";
import type { PageCursor, SpotCheck } from "../../model/manifest.ts";
import type { PageSource } from "../../source/pages.ts";
import { removeObjects } from "../../store/remove.ts";
import { openSnapshot } from "../../store/snapshot-reader.ts";
import type { Context, LogPosition } from "../../worker/context.ts";
import type { BackupDraft } from "./backup-draft.ts";
import { spotCheck } from "./spot-check.ts";

/** The stored pages of a backup, and where they come from. */
interface Stored {
  readonly raw: Meter;
  readonly stored: Meter;
  readonly logged: LogPosition | null;
  /** The place in the source's history of pages that were read whole. */
  readonly cursor: PageCursor | null;
}

/**
 * Compare some of the stored pages with the server's once more. A backup that differs is removed, and its
 * log is ended.
 *
 * @throws NightjarError as `spotCheck`
 */
export async function checkSpots(
  { bucket, catalog, deps }: Context,
  { key, encrypted }: BackupDraft,
  { name, spotCheck: count }: DatabaseConfig,
  source: PageSource,
  { raw, stored, logged, cursor }: Stored,
): Promise<SpotCheck> {
  if (encrypted) return { pages: 0, why: "the backup is encrypted" };
  const place = logged === null ? cursor : await cursorAt(catalog, name, logged);
  try {
    const bytes = { raw: { bytes: raw.bytes }, stored: { bytes: stored.bytes } };
    const open = () => openSnapshot(bucket, { key, ...bytes });
    return await spotCheck(deps, source, place ?? undefined, open, count);
  } catch (thrown) {
    await removeObjects(bucket, [key]).catch(() => {}); // else the next run removes it
    const { code } = asNightjarError(thrown);
    if (code === "SOURCE_DIFFERS" && logged !== null)
      await endLineage(catalog, logged.lineage, deps.now());
    throw thrown;
  }
}

/** Return the place in the source's history of a position of the log, if that is still its newest one. */
async function cursorAt(
  catalog: Catalog,
  database: string,
  { lineage, txid }: LogPosition,
): Promise<PageCursor | null> {
  const open = await openLineage(catalog, database);
  return open?.id === lineage && open.txid === txid ? open.cursor : null;
}
