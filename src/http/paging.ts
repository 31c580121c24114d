import * as v from "valibot";
import type { Place } from "../catalog/newest-first.ts";
import { bounded, CURSOR, limitField } from "./fields.ts";

/** Fields of the query of a list that is newest first: its page's size and cursor. */
export const newestFirst = {
  limit: limitField(200, 50),
  cursor: v.optional(v.pipe(v.string(CURSOR), v.regex(/^\d{1,15}-[\w-]{1,100}$/, CURSOR))),
};

/** Fields of the query of a list by name: its page's size, and the last name of the page before. */
export const byName = {
  limit: limitField(200, 100),
  cursor: v.optional(bounded(255)),
};

/** Read the cursor of such a list. */
export function placeOf(cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const [at, ...id] = cursor.split("-");
  return { at: Number(at), id: id.join("-") };
}

/** Split what a list has found, one row more than its page has, into the page and the next one's cursor. */
export function pageOf<T extends { readonly id: string }>(
  found: readonly T[],
  limit: number,
  timeOf: (row: T) => number,
): { page: readonly T[]; next: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const next = found.length > limit ? `${timeOf(last!)}-${last!.id}` : null;
  return { page, next };
}
