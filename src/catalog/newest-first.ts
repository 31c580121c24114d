import { and, eq, lt, or, type SQL } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";

/** The last row of a page, in a list that is newest first and by id where times are equal. */
export interface Place {
  /** ms */
  readonly at: number;
  readonly id: string;
}

/** Return the condition for the rows that come after a place; undefined for all of them. */
export function comesAfter(
  at: SQLiteColumn,
  id: SQLiteColumn,
  place: Place | undefined,
): SQL | undefined {
  return place && or(lt(at, place.at), and(eq(at, place.at), lt(id, place.id)));
}
