import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import type { Erasure } from "../../format/tables/erasure.ts";
import { misfit, pageFormOf } from "../../format/pages/first-page.ts";
import { readPage } from "../../format/pages/page.ts";
import { MARKER, MARKER_WARNING } from "../../format/tables/restore-marker.ts";
import { isWhole, type Selection, selectionOf } from "../../format/tables/selection.ts";
import { openImage } from "../../sqlite/engine/open.ts";
import { refuseSql } from "../../sqlite/sql/write-sql.ts";
import { inspectTarget, type TargetState } from "../../target/inspect.ts";
import { dropsOf, notEmpty, refuseUnfit, standingOf } from "../../target/standing.ts";
import type { Plan, PlannedTable, SubjectView, Way } from "../../model/restore-report.ts";
import { erasuresAt, erasuresOfBackup } from "../../read/erasures.ts";
import { earliestOf } from "../../read/moment.ts";
import { lossOf, nameOf, type Subject, tablesOf, viewOf } from "./subject.ts";
import { resolveTarget, type Target, type TargetName } from "./target.ts";
import { refuseChoice } from "../../read/derive.ts";
import { masksFor } from "../../read/sanitize.ts";
import { refuseEncrypted, storedPages } from "../../read/stored.ts";
import type { MaskPlan } from "../../sqlite/masks/plan-masks.ts";

/** A request to restore into a server. */
export interface RestoreRequest {
  readonly target: TargetName;
  readonly tables?: readonly string[] | undefined;
  readonly schemaOnly: boolean;
  readonly dataOnly: boolean;
  readonly verify: boolean;
  readonly overwrite: boolean;
  /** Write masks in place of values, by the rules of the subject's database. */
  readonly sanitize: boolean;
  readonly way: Way | "auto";
  /** True if the target is a copy that Nightjar has made: it is replaced without saving it first. */
  readonly isCopy?: boolean;
}

/** A plan, and everything that is needed to carry it out. */
export interface Planned {
  readonly plan: Plan;
  readonly subject: Subject;
  readonly selection: Selection;
  readonly target: Target;
  readonly state: TargetState;
  readonly verify: boolean;
  readonly sanitize: boolean;
  /** Erasures since then: their rows are left out. */
  readonly erasures: readonly Erasure[];
}

/**
 * Inspect the stored subject and the target, and plan the restore. Changes nothing.
 *
 * @throws NightjarError `TARGET_NOT_EMPTY`, `TARGET_IS_SOURCE`, `TARGET_UNFIT`, `OVERWRITE_REFUSED`,
 *   `RESTORE_UNAVAILABLE`, `SCHEMA_UNSAFE`, `REQUEST_INVALID`, `BACKUP_ENCRYPTED`; `FORMAT_UNAVAILABLE`,
 *   `SANITIZE_RULES`, `SANITIZE_UNSAFE` for what cannot be sanitized; as `inspectTarget`
 */
export async function planRestore(
  context: Context,
  subject: Subject,
  request: RestoreRequest,
): Promise<Planned> {
  const asked = selectionOf(request);
  refuseOptions(request, asked);
  refuseEncrypted(subject);
  const view = viewOf(subject);
  const target = await resolveTarget(context, request.target);
  const { tables, marked } = await tablesOf(context, subject, asked);
  const selection = marked ? { ...asked, except: new Set([MARKER]) } : asked;
  const isDump = view.kind === "dump";
  const { sanitize } = request;
  if (sanitize) refuseChoice(isDump ? "dump" : "snapshot", "sql", { sanitize });
  if (isDump && !isOfRows(subject)) refuseVirtual(tables);

  const erasures =
    "manifest" in subject
      ? await erasuresOfBackup(context, subject.manifest)
      : await erasuresAt(context, view.database, earliestOf(subject.moment));
  const state = await inspectTarget(target.server, context.deps);
  const standing = standingOf(state);
  const drops = request.overwrite || state.begun ? dropsOf(state) : [];
  if (sanitize && target.database === view.database) throw replacesOriginals(view);
  if (standing === "in use") refuseInUse(request, target, view, state);
  if (standing === "empty" && target.database === view.database && !request.overwrite)
    throw isSource(view);
  if (request.dataOnly) {
    const names = tables.map(({ name }) => name);
    await refuseUnfit(target.server, context.deps, state, names);
  }

  const pages = sanitize
    ? "pages hold the values as they are"
    : await whyNotPages(context, subject, selection, state, erasures);
  if (request.way === "pages" && pages !== undefined)
    throw new NightjarError("TARGET_UNFIT", `It cannot be restored by pages: ${pages}.`, {
      hint: "Leave `way` out.",
    });
  const way = pages === undefined && request.way !== "statements" ? "pages" : "statements";
  const why = way === "pages" ? "the target takes pages" : (pages ?? "statements were asked for");
  const masks =
    way === "statements" && !isDump
      ? await refuseStatements(context, subject, selection, sanitize)
      : undefined;
  const { url, namespace = null } = target.server;
  const plan: Plan = {
    subject: view,
    target: { url, namespace, database: target.database, state: standing },
    way,
    why,
    only: request.schemaOnly ? "schema" : request.dataOnly ? "data" : null,
    sanitized: sanitize,
    unusedRules: masks?.unused ?? null,
    tables: masks === undefined ? tables : tables.map((table) => givenRows(table, masks)),
    drops,
    saves: standing === "in use" && !request.dataOnly && request.isCopy !== true,
    loss: await lossOf(context, view),
    notes: notesOf(subject, way, selection, erasures, marked),
  };
  const { verify } = request;
  return { plan, subject, selection, target, state, verify, sanitize, erasures };
}

/** Return a table with the number of rows that are given of it. */
function givenRows(table: PlannedTable, { given, subset }: MaskPlan): PlannedTable {
  if (given(table.name) === "dropped") return { ...table, rows: 0 };
  const kept = subset?.find(({ name }) => name === table.name);
  return kept === undefined ? table : { ...table, rows: kept.rows };
}

/** Refuse what cannot be written as SQL, before the target is marked. @returns what is masked, if anything is */
async function refuseStatements(
  context: Context,
  subject: Subject,
  selection: Selection,
  sanitize: boolean,
): Promise<MaskPlan | undefined> {
  const image = await openImage(await storedPages(context, subject));
  try {
    const masks = await masksFor(context, subject, image, { sanitize });
    await refuseSql(image, selection, masks);
    return masks;
  } catch (thrown) {
    const { code, message } = asNightjarError(thrown);
    if (code !== "FORMAT_UNAVAILABLE") throw thrown;
    throw new NightjarError("RESTORE_UNAVAILABLE", `A libSQL server does not take it: ${message}`, {
      hint: "libSQL servers hold UTF-8 only. Restore it to a file.",
      cause: thrown,
    });
  } finally {
    image.close();
  }
}

function refuseOptions(
  { schemaOnly, dataOnly, overwrite, target }: RestoreRequest,
  selection: Selection,
) {
  if (schemaOnly && dataOnly)
    throw new NightjarError("REQUEST_INVALID", "schemaOnly and dataOnly exclude each other.");
  if (overwrite && !isWhole(selection))
    throw new NightjarError(
      "OVERWRITE_REFUSED",
      "Overwriting replaces a whole database: tables, schemaOnly and dataOnly exclude it.",
      { hint: "Restore a part into an empty database, and copy from there." },
    );
  if (overwrite && !("database" in target))
    throw new NightjarError(
      "OVERWRITE_REFUSED",
      "An address that Nightjar cannot back up is never overwritten.",
    );
}

/** Return true for a dump that Nightjar wrote itself, of rows. */
function isOfRows(subject: Subject): boolean {
  return "manifest" in subject && subject.manifest.method !== undefined;
}

/**
 * Refuse the virtual tables of a server's dump: through SQL, a libSQL server accepts neither writable_schema nor
 * the shadow tables.
 */
function refuseVirtual(tables: readonly PlannedTable[]): void {
  const virtual = tables.filter((table) => table.virtual).map(({ name }) => name);
  if (virtual.length === 0) return;
  throw new NightjarError(
    "RESTORE_UNAVAILABLE",
    `This backup is a dump, and a libSQL server does not take the virtual tables of one: ${virtual.join(", ")}.`,
    {
      hint: "Restore it to a file, name the other tables with `tables`, or choose a backup by pages (a snapshot).",
    },
  );
}

function refuseInUse(
  { overwrite, dataOnly }: RestoreRequest,
  target: Target,
  view: SubjectView,
  state: TargetState,
): void {
  if (overwrite || dataOnly) return;
  if (target.database === view.database) throw isSource(view);
  throw notEmpty(state);
}

function isSource({ database }: SubjectView): NightjarError {
  return new NightjarError(
    "TARGET_IS_SOURCE",
    `The target is ${database} itself, the database that this was taken from.`,
  );
}

function replacesOriginals({ database }: SubjectView): NightjarError {
  return new NightjarError(
    "TARGET_IS_SOURCE",
    `The target is ${database} itself: masks would replace the originals.`,
    { hint: "Restore what is sanitized into another database." },
  );
}

/** Return the reason for which a restore cannot go by pages; undefined if it can. */
async function whyNotPages(
  context: Context,
  subject: Subject,
  selection: Selection,
  { pages }: TargetState,
  erasures: readonly Erasure[],
): Promise<string | undefined> {
  if (erasures.length > 0) return "rows were erased since then, whose bytes the pages still hold";
  if ("manifest" in subject && subject.manifest.kind === "dump") return "a dump has no pages";
  if (!isWhole(selection)) return "only a part is restored";
  if (selection.except !== undefined) return `the table ${MARKER} is left out`;
  if ("why" in pages) return pages.why;
  const reader = await storedPages(context, subject);
  const fault = misfit(pageFormOf(await readPage(reader, 1)), pageFormOf(pages.header));
  if (fault !== undefined) return fault;
  // A database cannot be made shorter, and the marker needs a page too.
  return pages.pageCount + 1 > reader.pageCount
    ? `the target has ${pages.pageCount} pages already, and ${reader.pageCount} are to come`
    : undefined;
}

function notesOf(
  subject: Subject,
  way: Way,
  selection: Selection,
  erasures: readonly Erasure[],
  marked: boolean,
): string[] {
  const notes: string[] = [];
  if (marked) notes.push(`${MARKER}: ${MARKER_WARNING}.`);
  if (erasures.length > 0) {
    const tables = new Set(erasures.map(({ table }) => table));
    notes.push(
      `Rows of ${[...tables].join(", ")} that were erased since then are left out (entries of the erasure list: ${erasures.length}).`,
    );
  }
  if ("manifest" in subject)
    for (const { code, where, count, message } of subject.manifest.warnings)
      if (code !== "RESTORE_MARKER") notes.push(`${where} (${count}): ${message}`);
  if (way === "statements" && isWhole(selection))
    notes.push(
      "By statements, what ANALYZE found and application_id are not restored: libSQL servers refuse them.",
    );
  return notes;
}

/** Return the marker's name for what is restored. */
export function whatOf({ plan }: Planned): string {
  return nameOf(plan.subject);
}
