import { and, desc, eq, lte, or } from "drizzle-orm";
import type { Segment } from "./lineages.ts";
import { type Catalog, query } from "./open.ts";
import { segments } from "./schema.ts";

/** A place in a timeline: after this many of the changes at this moment (ms). */
export interface Place {
  readonly at: number;
  readonly after: number;
}

/**
 * Read what was pulled of a database, newest first: every pulled segment, and every base that began a
 * lineage.
 *
 * @param from the place to begin at; the newest if it is left out
 */
export function timelineOf(
  catalog: Catalog,
  database: string,
  limit: number,
  from?: Place,
): Promise<Segment[]> {
  return query(`reading the timeline of ${database}`, () =>
    catalog
      .select()
      .from(segments)
      .where(
        and(
          eq(segments.database, database),
          or(eq(segments.level, 0), eq(segments.maxTxid, 1)),
          from === undefined ? undefined : lte(segments.at, from.at),
        ),
      )
      .orderBy(desc(segments.at), desc(segments.createdAt), desc(segments.maxTxid))
      .limit(limit)
      .offset(from?.after ?? 0),
  );
}
