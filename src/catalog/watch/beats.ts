import type { ErrorReport } from "../../errors/errors.ts";
import { type Catalog, query } from "../open.ts";
import { beats } from "../schema.ts";
import { eq } from "drizzle-orm";

/** Work that is done again and again. */
export type BeatName =
  | "minute"
  | "night"
  /** Reading Turso's list, and doing so without an error. */
  | "discovery"
  | "discovered";

/** How such work last ended: when (ms), and its error if it failed. */
export interface Beat {
  readonly at: number;
  readonly error: ErrorReport | null;
}

/** Record how work ended. */
export function recordBeat(catalog: Catalog, name: BeatName, beat: Beat): Promise<unknown> {
  return query(`recording the ${name}'s work`, () =>
    catalog
      .insert(beats)
      .values({ name, ...beat })
      .onConflictDoUpdate({ target: beats.name, set: beat })
      .run(),
  );
}

/** Have work count as never done: it is due. */
export function forgetBeat(catalog: Catalog, name: BeatName): Promise<unknown> {
  return query(`making the ${name} due`, () =>
    catalog.delete(beats).where(eq(beats.name, name)).run(),
  );
}

/** Return how each work last ended; undefined for what never did. */
export function readBeats(catalog: Catalog): Promise<Partial<Record<BeatName, Beat>>> {
  return query("reading when the work was last done", async () => {
    const rows = await catalog.select().from(beats);
    return Object.fromEntries(rows.map(({ name, at, error }) => [name, { at, error }]));
  });
}
