import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import type { Erasure } from "../../format/tables/erasure.ts";
import { misfit, pageFormOf } from "../../format/pages/first-page.ts";
import { readPage } from "../../format/pages/page.ts";
import { MARKER, MARKER_WARNING } from "../../format/tables/restore-marker.ts";
import { isWhole, lowerName, type Selection, selectionOf } from "../../format/tables/selection.ts";
import { openImage } from "../../sqlite/engine/open.ts";
import { quoteName } from "../../format/sql/quote.ts";
import type { SchemaObject } from "../../sqlite/tables.ts";
import { refuseSql } from "../../sqlite/sql/write-sql.ts";
import { runStatements } from "../../target/run-statements.ts";
import { inspectTarget, type TargetState } from "../../target/inspect.ts";
import type { Plan, PlannedTable, SubjectView, Way } from "../../model/restore-report.ts";
import { erasuresAt, erasuresOfBackup } from "../../read/erasures.ts";
import { earliestOf } from "../../read/moment.ts";
import { lossOf, nameOf, type Subject, tablesOf, viewOf } from "./subject.ts";
import { resolveTarget, type Target, type TargetName } from "./target.ts";
import { refuseEncrypted, storedPages } from "../../read/stored.ts";

/** A request to restore into a server. */
export interface RestoreRequest {
  readonly target: TargetName;
  readonly tables?: readonly string[] | undefined;
  readonly schemaOnly: boolean;
  readonly dataOnly: boolean;
  readonly verify: boolean;
  readonly overwrite: boolean;
  readonly way: Way | "auto";
}

/** A plan, and everything that is needed to carry it out. */
export interface Planned {
  readonly plan: Plan;
  readonly subject: Subject;
  readonly selection: Selection;
  readonly target: Target;
  readonly state: TargetState;
  readonly verify: boolean;
  /** Erasures since then: their rows are left out. */
  readonly erasures: readonly Erasure[];
}

/**
 * Inspect the stored subject and the target, and plan the restore. Changes nothing.
 *
 * @throws NightjarError `TARGET_NOT_EMPTY`, `TARGET_IS_SOURCE`, `TARGET_UNFIT`, `OVERWRITE_REFUSED`,
 *   `RESTORE_UNAVAILABLE`, `SCHEMA_UNSAFE`, `REQUEST_INVALID`, `BACKUP_ENCRYPTED`; as `inspectTarget`
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
  const target = resolveTarget(context, request.target);
  const { tables, marked } = await tablesOf(context, subject, asked);
  const selection = marked ? { ...asked, except: new Set([MARKER]) } : asked;
  const isDump = view.kind === "dump";
  if (isDump && !isOfRows(subject)) refuseVirtual(tables);

  const erasures =
    "manifest" in subject
      ? await erasuresOfBackup(context, subject.manifest)
      : await erasuresAt(context, view.database, earliestOf(subject.moment));
  const state = await inspectTarget(target.server, context.deps);
  const standing = standingOf(state);
  const drops = request.overwrite || state.begun ? dropsOf(state) : [];
  if (standing === "in use") refuseInUse(request, target, view, state);
  if (standing === "empty" && target.database === view.database && !request.overwrite)
    throw isSource(view);
  if (request.dataOnly) await refuseUnfit(context, target, state, tables);

  const pages = await whyNotPages(context, subject, selection, state, erasures);
  if (request.way === "pages" && pages !== undefined)
    throw new NightjarError("TARGET_UNFIT", `It cannot be restored by pages: ${pages}.`, {
      hint: "Leave `way` out.",
    });
  const way = pages === undefined && request.way !== "statements" ? "pages" : "statements";
  const why = way === "pages" ? "the target takes pages" : (pages ?? "statements were asked for");
  if (way === "statements" && !isDump) await refuseStatements(context, subject, selection);
  const { url, namespace = null } = target.server;
  const plan: Plan = {
    subject: view,
    target: { url, namespace, database: target.database, state: standing },
    way,
    why,
    only: request.schemaOnly ? "schema" : request.dataOnly ? "data" : null,
    tables,
    drops,
    saves: standing === "in use" && !request.dataOnly,
    loss: await lossOf(context, view),
    notes: notesOf(subject, way, selection, erasures, marked),
  };
  return { plan, subject, selection, target, state, verify: request.verify, erasures };
}

/** Return the state of a target. A target in use that is only marked is still in use. */
function standingOf({ begun, marker, objects }: TargetState): Plan["target"]["state"] {
  if (begun !== undefined) return "incomplete";
  if (objects.length > 0) return "in use";
  return marker === undefined ? "empty" : "incomplete";
}

/** Refuse what cannot be written as SQL, before the target is marked. */
async function refuseStatements(
  context: Context,
  subject: Subject,
  selection: Selection,
): Promise<void> {
  const image = await openImage(await storedPages(context, subject));
  try {
    await refuseSql(image, selection);
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
  { objects }: TargetState,
): void {
  if (overwrite || dataOnly) return;
  if (target.database === view.database) throw isSource(view);
  const shown = objects.slice(0, 10).map(({ type, name }) => `${type} ${name}`);
  const more = objects.length > 10 ? ` and ${objects.length - 10} more` : "";
  throw new NightjarError(
    "TARGET_NOT_EMPTY",
    `The target is not empty: it has ${shown.join(", ")}${more}.`,
  );
}

function isSource({ database }: SubjectView): NightjarError {
  return new NightjarError(
    "TARGET_IS_SOURCE",
    `The target is ${database} itself, the database that this was taken from.`,
  );
}

/** List what the wipe removes. */
function dropsOf({ begun, objects }: TargetState): string[] {
  if (begun?.tables != null) return begun.tables.map((name) => `rows of ${name}`);
  return objects
    .filter(({ type, sql }) => type !== "index" || sql !== null)
    .map(({ type, name }) => `${type} ${name}`);
}

/** Refuse a target into which rows cannot go: its tables must exist, be empty, and have no triggers. */
async function refuseUnfit(
  { deps }: Context,
  { server }: Target,
  { objects, begun }: TargetState,
  tables: readonly PlannedTable[],
): Promise<void> {
  const left: readonly SchemaObject[] = begun && begun.tables === null ? [] : objects;
  const names = new Set(tables.map(({ name }) => lowerName(name)));
  const has = (name: string) =>
    left.some((object) => object.type === "table" && lowerName(object.name) === lowerName(name));
  const missing = tables.filter(({ name }) => !has(name)).map(({ name }) => name);
  if (missing.length > 0)
    throw new NightjarError("TARGET_UNFIT", `The target has no table ${missing.join(", ")}.`);
  const triggers = left.filter(
    ({ type, table }) => type === "trigger" && names.has(lowerName(table)),
  );
  if (triggers.length > 0)
    throw new NightjarError(
      "TARGET_UNFIT",
      `Triggers of the target would run on every row: ${triggers.map(({ name }) => name).join(", ")}.`,
      { hint: "Drop them, restore the rows, and create them again." },
    );
  const wiped = new Set(begun?.tables?.map(lowerName));
  const looked = tables.filter(({ name }) => !wiped.has(lowerName(name)));
  const answers = await runStatements(
    server,
    deps,
    looked.map(({ name }) => ({ sql: `SELECT 1 FROM ${quoteName(name)} LIMIT 1` })),
  );
  const full = looked.filter((_, at) => answers[at]!.length > 0).map(({ name }) => name);
  if (full.length > 0)
    throw new NightjarError(
      "TARGET_NOT_EMPTY",
      `Tables of the target have rows: ${full.join(", ")}.`,
      {
        hint: "Empty them first: rows are restored into empty tables only.",
      },
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
