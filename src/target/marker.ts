import type { Deps } from "../core/deps.ts";
import { asNightjarError, messageOf, NightjarError } from "../errors/errors.ts";
import { encode } from "../format/bytes/bytes.ts";
import { MARKER, MARKER_COLUMNS } from "../format/tables/restore-marker.ts";
import type { Value } from "../libsql/hrana-messages.ts";
import type { Source } from "../libsql/server.ts";
import { quoteText } from "../format/sql/quote.ts";
import { rowsOf } from "./run-statements.ts";
import { send, type Step, type Told } from "./pipeline.ts";

/** The one row of the marker. */
export interface Marker {
  /** The restore that works here. A restore that finds another's name here stops. */
  readonly restore: string;
  /** A description of what it restores, for people. */
  readonly what: string;
  /** The start of the restore, ISO 8601. */
  readonly began: string;
  /** The tables that only rows were written to; null if the restore made all that is here. */
  readonly tables: readonly string[] | null;
  /** The backup of what the target contained before. */
  readonly saved: string | null;
  /** Increases by two with each transaction: see steps.ts. While it is 0, the target is only marked. */
  readonly step: number;
}

/** The step of the marker of a target that a restore has begun to change. */
export const BEGUN = 2;

const COLUMNS = MARKER_COLUMNS.join(", ");
const CREATE = `CREATE TABLE ${MARKER}(restore TEXT NOT NULL, what TEXT NOT NULL, began TEXT NOT NULL, tables TEXT, saved TEXT, step INTEGER NOT NULL)`;

/** Return SQL for a value that fails the transaction, by NOT NULL, unless the condition holds. */
const unless = (condition: string, value: string) => `CASE WHEN ${condition} THEN ${value} END`;
const text = (value: string | null) => (value === null ? "NULL" : quoteText(value));
const list = (tables: Marker["tables"]) => text(tables === null ? null : JSON.stringify(tables));

/** Return a statement that fails unless the marker belongs to this restore and is at step `from`. */
export function moveMarker(restore: string, from: number, to: number): string {
  const mine = `restore = ${quoteText(restore)} AND step = ${from}`;
  return `UPDATE ${MARKER} SET step = ${unless(mine, String(to))};\n`;
}

/** Return a statement that records the tables that are written to from now on. */
export function nameTables(tables: Marker["tables"]): string {
  return `UPDATE ${MARKER} SET tables = ${list(tables)};\n`;
}

/**
 * SQL for a text that distinguishes two states of a schema, whatever the marker. It consists of numbers, as
 * a server has no hash function.
 */
export const SCHEMA_PRINT = `(SELECT count(*) || ' ' || total(rootpage) || ' ' || total(length(name) * rowid) || ' ' || total(length(sql) * rowid) FROM sqlite_schema WHERE name <> '${MARKER}')`;

/**
 * Mark a target that has no marker yet, provided that its schema is as it was when it was inspected.
 *
 * @param print the value of `SCHEMA_PRINT` then
 */
export function markTarget(
  target: Source,
  deps: Deps,
  marker: Marker,
  print: string,
): Promise<void> {
  const { restore, what, began, tables, saved, step } = marker;
  const same = `${SCHEMA_PRINT} = ${text(print)}`;
  const values = [text(restore), text(what), text(began), list(tables), text(saved)];
  const insert = `INSERT INTO ${MARKER}(${COLUMNS}) SELECT ${values.join(", ")}, ${unless(same, String(step))}`;
  return claim(target, deps, restore, `${CREATE};\n${insert};\n`);
}

/**
 * Take over what an unfinished restore has left, provided that marker and schema are as they were when the
 * target was inspected. The tables that it wrote to stay recorded until they are wiped.
 *
 * @param print the value of `SCHEMA_PRINT` then
 */
export function takeOver(
  target: Source,
  deps: Deps,
  { restore, step }: Marker,
  mine: Marker,
  print: string,
): Promise<void> {
  const isUntouched = step === 0;
  const still = `restore = ${text(restore)} AND step = ${step} AND ${SCHEMA_PRINT} = ${text(print)}`;
  const sets = [
    `restore = ${unless(still, text(mine.restore))}`,
    `what = ${text(mine.what)}`,
    `began = ${text(mine.began)}`,
    `saved = ${text(mine.saved)}`,
    `step = ${mine.step}`,
    ...(isUntouched ? [`tables = ${list(mine.tables)}`] : []),
  ];
  return claim(target, deps, mine.restore, `UPDATE ${MARKER} SET ${sets.join(", ")};\n`);
}

/**
 * Run the SQL that sets the marker, in one transaction.
 *
 * @throws NightjarError `RESTORE_SUPERSEDED` when another restore has marked the target meanwhile,
 *   `TARGET_REFUSED` when it changed otherwise; as `send`. Then the target is not marked by this restore,
 *   unless the error says so
 */
async function claim(target: Source, deps: Deps, restore: string, sql: string): Promise<void> {
  try {
    const sequence = [encode(`BEGIN IMMEDIATE;\n${sql}COMMIT;\n`)];
    const { told } = await send(target, deps, [{ sequence }, { close: true }]);
    rowsOf(target, told[0]!);
  } catch (thrown) {
    const marker = await readMarker(target, deps).catch(() => "unknown" as const);
    const { code, message } = asNightjarError(thrown);
    if (marker === "unknown")
      throw new NightjarError(
        code,
        `${message} Nothing in the target was changed, but it may have the table ${MARKER} now.`,
        {
          hint: `Run the restore again, or drop ${MARKER} in the target.`,
          cause: thrown,
        },
      );
    if (marker?.restore === restore) return; // only the answer was lost
    if (code !== "TARGET_REFUSED") throw thrown;
    if (marker !== undefined)
      throw new NightjarError(
        "RESTORE_SUPERSEDED",
        `The restore did not begin: another one, of ${marker.what}, works on the target.`,
        { cause: thrown },
      );
    throw new NightjarError(
      code,
      `The target could not be marked, and was left as it is: ${message}`,
      {
        hint: "Another restore may have ended there, or something else writes to the target: look at what it holds, then run the restore again.",
        cause: thrown,
      },
    );
  }
}

/**
 * Make the error for an unknown end: the last transaction, which removes the marker, may or may not be
 * committed.
 */
export function unknownEnd(cause: unknown): NightjarError {
  return new NightjarError(
    "RESTORE_UNKNOWN",
    `The answer to the last request was lost (${messageOf(cause)}): the target is complete, unless it still has the table ${MARKER}.`,
    { cause },
  );
}

/** The statement that reads the marker; it fails if there is none. */
export const READ_MARKER: Step = { sql: `SELECT ${COLUMNS} FROM ${MARKER}` };

/**
 * Read the target's marker, once no transaction is running there that may still change it.
 *
 * @returns undefined when there is none
 * @throws NightjarError as `send`; `TARGET_NOT_EMPTY` for a table of this name that is not Nightjar's
 */
export async function readMarker(target: Source, deps: Deps): Promise<Marker | undefined> {
  const { told } = await send(target, deps, [
    {
      batch: [
        { sql: "BEGIN IMMEDIATE" },
        { sql: `SELECT count(*) FROM sqlite_schema WHERE lower(name) = '${MARKER}'` },
      ],
    },
    { batch: [READ_MARKER] },
    { batch: [{ sql: "ROLLBACK" }] },
    { close: true },
  ]);
  const [, counted] = rowsOf(target, told[0]!);
  return counted![0]![0] === 0n ? undefined : markerFrom(told[1]!);
}

/**
 * Return the marker from the answer to `READ_MARKER`, in a target that has something of its name.
 *
 * @throws NightjarError `TARGET_NOT_EMPTY` when it is not Nightjar's
 */
export function markerFrom(told: Told): Marker {
  const [row, another] = "rows" in told ? told.rows[0]! : [];
  const marker = row === undefined || another !== undefined ? undefined : parsed(row);
  if (marker !== undefined) return marker;
  throw new NightjarError(
    "TARGET_NOT_EMPTY",
    `The target has something called ${MARKER} that is not Nightjar's: by a table of this name Nightjar marks what is not restored in full.`,
    { hint: `Restore into another database; or rename ${MARKER} in the target, or drop it.` },
  );
}

function parsed([restore, what, began, tables, saved, step]: readonly Value[]): Marker | undefined {
  if (typeof restore !== "string" || typeof what !== "string" || typeof began !== "string")
    return undefined;
  if (typeof step !== "bigint" || step < 0n) return undefined;
  if (saved !== null && typeof saved !== "string") return undefined;
  const names = tables === null ? null : namesIn(tables);
  if (names === undefined) return undefined;
  return { restore, what, began, tables: names, saved, step: Number(step) };
}

/** Read the names of tables from a JSON list. */
function namesIn(value: Value | undefined): string[] | undefined {
  if (typeof value !== "string") return undefined;
  try {
    const names: unknown = JSON.parse(value);
    const fits = Array.isArray(names) && names.every((name) => typeof name === "string");
    return fits ? names : undefined;
  } catch {
    return undefined; // no JSON: it is not Nightjar's
  }
}
