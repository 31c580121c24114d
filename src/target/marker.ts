import type { Deps } from "../deps.ts";
import { asNightjarError, messageOf, NightjarError } from "../errors.ts";
import { encode } from "../format/bytes.ts";
import type { Source } from "../source/server.ts";
import { quoteText } from "../sqlite/sql-text.ts";
import { ask, rowsOf } from "./ask.ts";
import { send } from "./pipeline.ts";

/**
 * The table that a target has from before the first byte that a restore writes until after the last one.
 * A database with it is incomplete; whoever restores into it next wipes it first.
 */
export const MARKER = "_nightjar_restore";

/** The one row of the marker. */
export interface Marker {
  /** The restore that works here; one that finds another's name here stops. */
  readonly restore: string;
  /** What it restores, for people. */
  readonly what: string;
  /** ISO 8601. */
  readonly began: string;
  /** The tables that only rows were written to; null when all that is here was made by the restore. */
  readonly tables: readonly string[] | null;
  /** The backup that was taken of what stood here before. */
  readonly saved: string | null;
  /** Goes up by two with each transaction: see steps.ts. */
  readonly step: number;
}

const COLUMNS = "restore, what, began, tables, saved, step";
const CREATE = `CREATE TABLE ${MARKER}(restore TEXT NOT NULL, what TEXT NOT NULL, began TEXT NOT NULL, tables TEXT, saved TEXT, step INTEGER NOT NULL)`;

/** A value that fails the transaction, by NOT NULL, unless the condition holds. */
const unless = (condition: string, value: string) => `CASE WHEN ${condition} THEN ${value} END`;
const text = (value: string | null) => (value === null ? "NULL" : quoteText(value));
const list = (tables: Marker["tables"]) => text(tables === null ? null : JSON.stringify(tables));

/** A statement that fails unless the marker is this restore's and stands at `from`. */
export function moveMarker(restore: string, from: number, to: number): string {
  const mine = `restore = ${quoteText(restore)} AND step = ${from}`;
  return `UPDATE ${MARKER} SET step = ${unless(mine, String(to))};\n`;
}

/** A statement that tells which tables are written to from now on. */
export function nameTables(tables: Marker["tables"]): string {
  return `UPDATE ${MARKER} SET tables = ${list(tables)};\n`;
}

/**
 * Mark a target that has none yet, provided that nothing was made there since it was looked at.
 *
 * @param objects how many rows its sqlite_schema had
 * @throws NightjarError as `claim`
 */
export function markTarget(
  target: Source,
  deps: Deps,
  marker: Marker,
  objects: number,
): Promise<void> {
  const { restore, what, began, tables, saved } = marker;
  const same = `(SELECT count(*) FROM sqlite_schema) = ${objects + 1}`;
  const values = [text(restore), text(what), text(began), list(tables), text(saved)];
  const insert = `INSERT INTO ${MARKER}(${COLUMNS}) SELECT ${values.join(", ")}, ${unless(same, "0")}`;
  return claim(target, deps, restore, `${CREATE};\n${insert};\n`);
}

/**
 * Take over what an unfinished restore has left, provided that it still stands where it was seen. The
 * tables that it wrote to stay named until they are wiped.
 *
 * @throws NightjarError as `claim`
 */
export function takeOver(
  target: Source,
  deps: Deps,
  { restore, step }: Marker,
  mine: Marker,
): Promise<void> {
  const still = `restore = ${text(restore)} AND step = ${step}`;
  const sets = [
    `restore = ${unless(still, text(mine.restore))}`,
    `what = ${text(mine.what)}`,
    `began = ${text(mine.began)}`,
    "step = 0",
  ];
  return claim(target, deps, mine.restore, `UPDATE ${MARKER} SET ${sets.join(", ")};\n`);
}

/**
 * @throws NightjarError `TARGET_REFUSED` when the target changed meanwhile; as `send`. The target is not
 *   marked by this restore then
 */
async function claim(target: Source, deps: Deps, restore: string, sql: string): Promise<void> {
  try {
    const sequence = [encode(`BEGIN IMMEDIATE;\n${sql}COMMIT;\n`)];
    const { told } = await send(target, deps, [{ sequence }, { close: true }]);
    rowsOf(target, told[0]!);
  } catch (thrown) {
    const marker = await readMarker(target, deps).catch(() => undefined);
    if (marker?.restore === restore) return; // only the answer was lost
    const { code, message, hint } = asNightjarError(thrown);
    if (code !== "TARGET_REFUSED") throw thrown;
    throw new NightjarError(code, `The target could not be marked: ${message}`, {
      hint,
      cause: thrown,
    });
  }
}

/** Nobody knows whether the last transaction, which takes the mark away, was committed. */
export function unknownEnd(cause: unknown): NightjarError {
  return new NightjarError(
    "RESTORE_UNKNOWN",
    `The answer to the last request was lost (${messageOf(cause)}): the target is complete, unless it still has the table ${MARKER}.`,
    { cause },
  );
}

/**
 * The target's marker, once no transaction is under way there that may still change it.
 *
 * @returns undefined when there is none
 * @throws NightjarError as `ask`; `TARGET_REFUSED` also for another's table of this name
 */
export async function readMarker(target: Source, deps: Deps): Promise<Marker | undefined> {
  const here = await ask(target, deps, [
    { sql: "BEGIN IMMEDIATE" },
    { sql: `SELECT count(*) FROM sqlite_schema WHERE name = '${MARKER}'` },
    { sql: "ROLLBACK" },
  ]);
  if (here[1]![0]![0] === 0n) return undefined;
  const [rows] = await ask(target, deps, [{ sql: `SELECT ${COLUMNS} FROM ${MARKER}` }]);
  const [restore, what, began, tables, saved, step] = rows![0] ?? [];
  const texts = [restore, what, began, tables ?? "", saved ?? ""];
  if (
    rows!.length !== 1 ||
    typeof step !== "bigint" ||
    texts.some((value) => typeof value !== "string")
  )
    throw new NightjarError(
      "TARGET_REFUSED",
      `The target has a table ${MARKER} that is not Nightjar's.`,
    );
  return {
    restore: String(restore),
    what: String(what),
    began: String(began),
    tables: tables == null ? null : (JSON.parse(String(tables)) as string[]),
    saved: saved == null ? null : String(saved),
    step: Number(step),
  };
}
