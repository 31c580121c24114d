import { type Backup, listBackups } from "../catalog/backups.ts";
import { isKnownBad } from "../model/proof.ts";
import { type Comparison, FEWEST_ROWS, type Loss } from "../plan/alerts/problems.ts";
import type { Context } from "../worker/context.ts";

/** Backups that are looked at for one that the newest can be compared with. */
const LOOKED_AT = 5;
/** Tables whose losses are kept. */
const MOST_LOSSES = 20;

/**
 * Compare the newest backup of a database with the one before it: the newest other one of the same kind that
 * is not known to be bad.
 *
 * @returns undefined if there is no such one
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function compareNewest(
  { catalog }: Context,
  database: string,
): Promise<Comparison | undefined> {
  const [newest, ...others] = await listBackups(catalog, database, LOOKED_AT);
  const before = others.find(
    (other) => other.manifest.kind === newest!.manifest.kind && !isKnownBad(other),
  );
  if (newest === undefined || before === undefined) return undefined;
  return {
    before: { id: before.id, bytes: before.manifest.raw.bytes },
    bytes: newest.manifest.raw.bytes,
    losses: lossesOf(before, newest),
  };
}

/** The tables that have fewer rows now, those that lost the largest part first. */
function lossesOf(before: Backup, newest: Backup): Loss[] {
  const now = new Map(newest.manifest.tables.map(({ name, rows }) => [name, rows]));
  const losses = before.manifest.tables.flatMap(({ name, rows }): Loss[] => {
    if (rows === null) return [];
    const after = now.has(name) ? now.get(name)! : null;
    // A table that has become a virtual one has its rows elsewhere.
    if (now.has(name) && after === null) return [];
    return rows - (after ?? 0) >= FEWEST_ROWS ? [{ table: name, before: rows, after }] : [];
  });
  const part = ({ before: had, after }: Loss) => ((after ?? 0) - had) / had;
  return losses.toSorted((a, b) => part(a) - part(b)).slice(0, MOST_LOSSES);
}
