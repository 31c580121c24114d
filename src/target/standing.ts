import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import { quoteName } from "../format/sql/quote.ts";
import { isMarkerName, MARKER } from "../format/tables/restore-marker.ts";
import { lowerName } from "../format/tables/selection.ts";
import type { Source } from "../libsql/server.ts";
import type { Plan } from "../model/restore-report.ts";
import type { SchemaObject } from "../sqlite/tables.ts";
import type { TargetState } from "./inspect.ts";
import { runStatements } from "./run-statements.ts";

/** Objects that an error names at most. */
const NAMED = 10;

/** Return the standing of a target. A target in use that is only marked is still in use. */
export function standingOf({ begun, marker, objects }: TargetState): Plan["target"]["state"] {
  if (begun !== undefined) return "incomplete";
  if (objects.length > 0) return "in use";
  return marker === undefined ? "empty" : "incomplete";
}

/** List what the wipe removes. */
export function dropsOf({ begun, objects }: TargetState): string[] {
  if (begun?.tables != null) return begun.tables.map((name) => `rows of ${name}`);
  return objects
    .filter(({ type, sql }) => type !== "index" || sql !== null)
    .map(({ type, name }) => `${type} ${name}`);
}

/** Make the error for a target that is in use. */
export function notEmpty({ objects }: TargetState): NightjarError {
  const shown = objects.slice(0, NAMED).map(({ type, name }) => `${type} ${name}`);
  const more = objects.length > NAMED ? ` and ${objects.length - NAMED} more` : "";
  return new NightjarError(
    "TARGET_NOT_EMPTY",
    `The target is not empty: it has ${shown.join(", ")}${more}.`,
  );
}

/** @throws NightjarError `RESTORE_UNAVAILABLE` for what has a table of the marker's name itself */
export function refuseMarkerName(tables: readonly { readonly name: string }[]): void {
  if (!tables.some(({ name }) => isMarkerName(name))) return;
  throw new NightjarError(
    "RESTORE_UNAVAILABLE",
    `It has a table ${MARKER} of its own, and in a server Nightjar marks by a table of this name what is not restored in full.`,
    { hint: "Restore it to a file, or name the other tables with `tables`." },
  );
}

/**
 * Refuse a target into which rows cannot go: its tables must exist, be empty, and have no triggers. Tables
 * that an unfinished restore has written rows to may have some.
 *
 * @param tables names of the tables that get rows
 * @throws NightjarError `TARGET_UNFIT`, `TARGET_NOT_EMPTY`; as `runStatements`
 */
export async function refuseUnfit(
  target: Source,
  deps: Deps,
  { objects, begun }: TargetState,
  tables: readonly string[],
): Promise<void> {
  const left: readonly SchemaObject[] = begun && begun.tables === null ? [] : objects;
  const names = new Set(tables.map(lowerName));
  const has = (name: string) =>
    left.some((object) => object.type === "table" && lowerName(object.name) === lowerName(name));
  const missing = tables.filter((name) => !has(name));
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
  const looked = tables.filter((name) => !wiped.has(lowerName(name)));
  const answers = await runStatements(
    target,
    deps,
    looked.map((name) => ({ sql: `SELECT 1 FROM ${quoteName(name)} LIMIT 1` })),
  );
  const full = looked.filter((_, at) => answers[at]!.length > 0);
  if (full.length > 0)
    throw new NightjarError(
      "TARGET_NOT_EMPTY",
      `Tables of the target have rows: ${full.join(", ")}.`,
      {
        hint: "Empty them first: rows are restored into empty tables only.",
      },
    );
}
