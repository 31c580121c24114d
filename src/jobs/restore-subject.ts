import { newestBackup } from "../catalog/backups.ts";
import { openLineage } from "../catalog/lineages.ts";
import type { Context } from "../context.ts";
import { NightjarError } from "../errors.ts";
import { lowerName, type Selection, selects } from "../format/selection.ts";
import { lossWindow, type LossWindow } from "../plan/loss.ts";
import type { PlannedTable, SubjectView } from "../restore-report.ts";
import { openImage } from "../sqlite/open.ts";
import { readSchema, readTables } from "../sqlite/tables.ts";
import { type Stored, storedPages } from "./stored.ts";

/** What can be restored. */
export type Subject = Stored;

export function viewOf(subject: Subject): SubjectView {
  if ("moment" in subject) {
    const { database, lineage, txid, committedAt, pageCount, pageSize } = subject.moment;
    const asOf = new Date(committedAt).toISOString();
    const log = { lineage, txid };
    return { database, backup: null, log, kind: "moment", asOf, bytes: pageCount * pageSize };
  }
  const { database, id, kind, snapshot, takenAt, raw } = subject.manifest;
  const asOf = snapshot?.committedAt ?? takenAt;
  return { database, backup: id, log: snapshot?.log ?? null, kind, asOf, bytes: raw.bytes };
}

/** How a subject is called in a sentence, and in the target's marker. */
export function nameOf({ database, backup, asOf }: SubjectView): string {
  return backup === null ? `${database} as of ${asOf}` : `backup ${backup} of ${database}`;
}

/**
 * The tables that are selected of a subject; what belongs to a virtual table is not listed by itself.
 *
 * @throws NightjarError `RESTORE_UNAVAILABLE` for a table that is not there or cannot be had alone;
 *   as `storedPages`
 */
export async function tablesOf(
  context: Context,
  subject: Subject,
  selection: Selection,
): Promise<PlannedTable[]> {
  const all =
    "manifest" in subject && subject.manifest.kind === "dump"
      ? subject.manifest.tables.map(({ name, rows }) => ({ name, rows, virtual: rows === null }))
      : await tablesOfImage(context, subject);
  for (const wanted of selection.tables ?? [])
    if (!all.some(({ name }) => lowerName(name) === wanted))
      throw new NightjarError("RESTORE_UNAVAILABLE", `There is no table ${wanted} in it.`);
  return all.filter(({ name }) => selects(selection, name));
}

async function tablesOfImage(context: Context, subject: Subject): Promise<PlannedTable[]> {
  const counts = new Map(
    "manifest" in subject ? subject.manifest.tables.map(({ name, rows }) => [name, rows]) : [],
  );
  const image = await openImage(await storedPages(context, subject));
  try {
    const tables = await readTables(image, await readSchema(image));
    return tables
      .filter(({ kind }) => kind === "table" || kind === "without-rowid" || kind === "virtual")
      .map(({ name, kind }) => ({
        name,
        rows: counts.get(name) ?? null,
        virtual: kind === "virtual",
      }));
  } finally {
    image.close();
  }
}

/** The data-loss window of a restore. @throws NightjarError `CATALOG_FAILED` */
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
