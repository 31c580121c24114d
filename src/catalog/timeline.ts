import { and, desc, eq, lt, or } from "drizzle-orm";
import type { Segment } from "./lineages.ts";
import { type Catalog, query } from "./open.ts";
import { segments } from "./schema.ts";

/** What was pulled of a database, newest first: every pulled segment, and every base that began a lineage. */
export function timelineOf(
  catalog: Catalog,
  database: string,
  limit: number,
  before?: number,
): Promise<Segment[]> {
  return query(`reading the timeline of ${database}`, () =>
    catalog
      .select()
      .from(segments)
      .where(
        and(
          eq(segments.database, database),
          or(eq(segments.level, 0), eq(segments.maxTxid, 1)),
          before === undefined ? undefined : lt(segments.at, before),
        ),
      )
      .orderBy(desc(segments.at), desc(segments.createdAt), desc(segments.maxTxid))
      .limit(limit),
  );
}
