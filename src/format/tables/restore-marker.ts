import { NightjarError } from "../../errors/errors.ts";
import { readColumns } from "../sql/created-columns.ts";
import { lowerName } from "./selection.ts";

/**
 * The table that a target has from before a restore writes its first byte until after the last one. A
 * database with it is incomplete; the next restore into it wipes it first.
 */
export const MARKER = "_nightjar_restore";

/** The columns of the marker, in their order. */
export const MARKER_COLUMNS = ["restore", "what", "began", "tables", "saved", "step"] as const;

export const MARKER_WARNING =
  "the table that marks an unfinished restore: what was backed up is incomplete. A restore into a server leaves this table out";

/** The fields of a schema's row. */
interface Made {
  readonly type: string;
  readonly name: string;
  readonly sql: string | null;
}

/** Return true if a name is the marker's, as SQLite compares names. */
export function isMarkerName(name: string): boolean {
  return lowerName(name) === MARKER;
}

/** Return true if an object of a schema is the marker, and not something else of its name. */
export function isMarker({ type, name, sql }: Made): boolean {
  if (type !== "table" || !isMarkerName(name) || sql === null) return false;
  const columns = readColumns(sql).map((column) => lowerName(column.name));
  return columns.join() === MARKER_COLUMNS.join();
}

/** Return the warning for the manifest of a backup that has the marker. */
export function markerWarning() {
  return { code: "RESTORE_MARKER", where: MARKER, count: 1, message: MARKER_WARNING } as const;
}

/**
 * Refuse to prove a copy of a database whose restore had not finished.
 *
 * @throws NightjarError `DRILL_IMPOSSIBLE`
 */
export function refuseUnfinished(schema: readonly Made[]): void {
  if (!schema.some(isMarker)) return;
  throw new NightjarError(
    "DRILL_IMPOSSIBLE",
    `The database has the table ${MARKER}: it is what an unfinished restore left, so that nobody can tell what is missing.`,
    {
      hint: `Finish the restore of the source, or drop its table ${MARKER} if it is complete; then back it up again.`,
    },
  );
}
