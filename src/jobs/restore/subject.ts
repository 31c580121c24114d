import { newestBackup } from "../../catalog/backups.ts";
import { openLineage } from "../../catalog/lineages.ts";
import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { isMarker, isMarkerName } from "../../format/tables/restore-marker.ts";
import type { Manifest } from "../../model/manifest.ts";
import { lowerName, type Selection, selects } from "../../format/tables/selection.ts";
import { lossWindow, type LossWindow } from "../../plan/loss.ts";
import type { PlannedTable, SubjectView } from "../../model/restore-report.ts";
import { openImage } from "../../sqlite/engine/open.ts";
import { describeTables, readSchema } from "../../sqlite/tables.ts";
import { refuseMarkerName } from "../../target/standing.ts";
import { type Stored, storedPages } from "../../read/stored.ts";

/** A backup or a moment that can be restored. */
export type Subject = Stored;

export function viewOf(subject: Subject): SubjectView {
  if ("moment" in subject) {
    const { database, lineage, txid, committedAt, pageCount, pageSize } = subject.moment;
    const asOf = new Date(committedAt).toISOString();
    const log = { lineage, txid };
    const bytes = pageCount * pageSize;
    return { database, backup: null, log, kind: "moment", asOf, takenAt: null, bytes };
  }
  const { database, id, kind, snapshot, takenAt, raw } = subject.manifest;
  const asOf = snapshot?.committedAt ?? takenAt;
  const log = snapshot?.log ?? null;
  return { database, backup: id, log, kind, asOf, takenAt, bytes: raw.bytes };
}

/** Return the name of a subject for messages and for the target's marker. */
export function nameOf({ database, backup, asOf }: SubjectView): string {
  return backup === null ? `${database} as of ${asOf}` : `backup ${backup} of ${database}`;
}

/**
 * List the selected tables of a subject; tables that belong to a virtual table are not listed by
 * themselves.
 *
 * @returns also whether the subject has the marker of an unfinished restore, which is left out
 * @throws NightjarError `RESTORE_UNAVAILABLE` for a table that does not exist or cannot be restored
 *   alone, and for one that a server cannot have; `TURSO_ONLY`; as `storedPages`
 */
export async function tablesOf(
  context: Context,
  subject: Subject,
  selection: Selection,
): Promise<{ tables: PlannedTable[]; marked: boolean }> {
  const { tables: all, marked } =
    "manifest" in subject && subject.manifest.kind === "dump"
      ? tablesOfDump(subject.manifest)
      : await tablesOfImage(context, subject);
  for (const wanted of selection.tables ?? [])
    if (!all.some(({ name }) => lowerName(name) === wanted))
      throw new NightjarError("RESTORE_UNAVAILABLE", `There is no table ${wanted} in it.`);
  const tables = all.filter(({ name }) => selects(selection, name));
  refuseMarkerName(tables);
  return { tables, marked };
}

function tablesOfDump({ tables, warnings }: Manifest): { tables: PlannedTable[]; marked: boolean } {
  const marked = warnings.some(({ code }) => code === "RESTORE_MARKER");
  return {
    marked,
    tables: tables
      .filter(({ name }) => !marked || !isMarkerName(name))
      .map(({ name, rows }) => ({ name, rows, virtual: rows === null })),
  };
}

async function tablesOfImage(
  context: Context,
  subject: Subject,
): Promise<{ tables: PlannedTable[]; marked: boolean }> {
  const counts = new Map(
    "manifest" in subject ? subject.manifest.tables.map(({ name, rows }) => [name, rows]) : [],
  );
  const image = await openImage(await storedPages(context, subject));
  try {
    const all = describeTables(await readSchema(image));
    const tables = all
      .filter((table) => !isMarker(table))
      .filter(({ kind }) => kind === "table" || kind === "without-rowid" || kind === "virtual")
      .map(({ name, kind }) => ({
        name,
        rows: counts.get(name) ?? null,
        virtual: kind === "virtual",
      }));
    return { tables, marked: all.some(isMarker) };
  } finally {
    image.close();
  }
}

/** Return the data-loss window of a restore. @throws NightjarError `CATALOG_FAILED` */
export async function lossOf(
  { catalog, deps }: Context,
  { database, asOf }: SubjectView,
): Promise<LossWindow> {
  const [lineage, newest] = await Promise.all([
    openLineage(catalog, database),
    newestBackup(catalog, database),
  ]);
  const known = [
    lineage?.committedAt,
    newest && Date.parse(newest.manifest.snapshot?.committedAt ?? newest.manifest.takenAt),
  ].filter((moment) => moment !== undefined);
  return lossWindow(database, asOf, known, deps.now());
}
