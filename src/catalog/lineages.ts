import { and, asc, desc, eq, inArray, isNull, lte } from "drizzle-orm";
import type { PageCursor } from "../model/manifest.ts";
import { type Catalog, query } from "./open.ts";
import { lineages, segments } from "./schema.ts";
import { isAmong } from "./among.ts";

export type Lineage = typeof lineages.$inferSelect;
export type Segment = typeof segments.$inferSelect;

/** Return the open lineage of a database: the one that new segments are added to. */
export function openLineage(catalog: Catalog, database: string): Promise<Lineage | undefined> {
  return query(`reading the log of ${database}`, () =>
    catalog
      .select()
      .from(lineages)
      .where(and(eq(lineages.database, database), isNull(lineages.endedAt)))
      .orderBy(desc(lineages.beganAt))
      .limit(1)
      .get(),
  );
}

/** List all lineages of a database, oldest first. */
export function lineagesOf(catalog: Catalog, database: string): Promise<Lineage[]> {
  return query(`listing the log of ${database}`, () =>
    catalog
      .select()
      .from(lineages)
      .where(eq(lineages.database, database))
      .orderBy(asc(lineages.beganAt)),
  );
}

/** A lineage with all its segments, in the order of their transactions. */
export interface WholeLog {
  readonly lineage: Lineage;
  readonly segments: readonly Segment[];
}

/** Read the logs of some databases, the oldest lineage of each first, in one round trip. */
export async function logsOf(
  catalog: Catalog,
  names: readonly string[],
): Promise<Map<string, WholeLog[]>> {
  const [known, files] = await query(`reading the logs of ${names.length} databases`, () =>
    catalog.batch([
      catalog
        .select()
        .from(lineages)
        .where(isAmong(lineages.database, names))
        .orderBy(asc(lineages.beganAt)),
      catalog
        .select()
        .from(segments)
        .where(isAmong(segments.database, names))
        .orderBy(asc(segments.minTxid), asc(segments.level)),
    ]),
  );
  const byLineage = Map.groupBy(files, ({ lineage }) => lineage);
  const logs = known.map((lineage) => ({ lineage, segments: byLineage.get(lineage.id) ?? [] }));
  return Map.groupBy(logs, ({ lineage }) => lineage.database);
}

/** Return the names of all databases that have a log. */
export function databasesWithLogs(catalog: Catalog): Promise<string[]> {
  return query("listing the logs", async () => {
    const rows = await catalog.selectDistinct({ database: lineages.database }).from(lineages);
    return rows.map(({ database }) => database);
  });
}

/** Begin a lineage with its base, and end the previous one: both or neither. */
export function beginLineage(catalog: Catalog, lineage: Lineage, base: Segment): Promise<unknown> {
  const { database, beganAt } = lineage;
  return query(`beginning a lineage of ${database}`, () =>
    catalog.batch([
      catalog
        .update(lineages)
        .set({ endedAt: beganAt })
        .where(and(eq(lineages.database, database), isNull(lineages.endedAt))),
      catalog.insert(lineages).values(lineage),
      catalog.insert(segments).values(base),
    ]),
  );
}

/** Enter a segment and advance its lineage to it: both or neither. Entering it again changes nothing. */
export function advanceLineage(
  catalog: Catalog,
  segment: Segment,
  { cursor, checkedAt }: { cursor: PageCursor; checkedAt: number },
): Promise<unknown> {
  const { lineage, maxTxid, pageCount, at } = segment;
  return query(`entering segment ${segment.key}`, () =>
    catalog.batch([
      catalog.insert(segments).values(segment).onConflictDoNothing({ target: segments.key }),
      catalog
        .update(lineages)
        .set({ cursor, txid: maxTxid, pageCount, committedAt: at, checkedAt })
        .where(and(eq(lineages.id, lineage), lte(lineages.txid, maxTxid))),
    ]),
  );
}

/** Enter a segment that holds what the log has already, in another form. */
export function enterSegment(catalog: Catalog, segment: Segment): Promise<unknown> {
  return query(`entering segment ${segment.key}`, () =>
    catalog.insert(segments).values(segment).onConflictDoNothing({ target: segments.key }).run(),
  );
}

/** Record that the log is complete up to `checkedAt` (ms). */
export function recordCheck(
  catalog: Catalog,
  lineage: string,
  checkedAt: number,
): Promise<unknown> {
  return query("recording a look at the log", () =>
    catalog.update(lineages).set({ checkedAt }).where(eq(lineages.id, lineage)).run(),
  );
}

export function segmentsOf(catalog: Catalog, lineage: string): Promise<Segment[]> {
  return query(`listing the segments of ${lineage}`, () =>
    catalog
      .select()
      .from(segments)
      .where(eq(segments.lineage, lineage))
      .orderBy(asc(segments.minTxid), asc(segments.level)),
  );
}

/** Return the segment whose last commit is the newest at or before a moment (ms). */
export function segmentAt(
  catalog: Catalog,
  database: string,
  moment: number,
): Promise<Segment | undefined> {
  return query(`looking for a moment of ${database}`, () =>
    catalog
      .select()
      .from(segments)
      .where(and(eq(segments.database, database), lte(segments.at, moment)))
      .orderBy(desc(segments.at), desc(segments.createdAt), desc(segments.maxTxid))
      .limit(1)
      .get(),
  );
}

export function allSegmentKeys(catalog: Catalog): Promise<Set<string>> {
  return query("listing all segments", async () => {
    const rows = await catalog.select({ key: segments.key }).from(segments);
    return new Set(rows.map(({ key }) => key));
  });
}

/** Remove the rows of up to 100 segments. */
export function removeSegments(catalog: Catalog, keys: string[]): Promise<unknown> {
  return query(`removing ${keys.length} segments`, () =>
    catalog.delete(segments).where(inArray(segments.key, keys)).run(),
  );
}

/** End a lineage: the log goes on in another one. A lineage that has ended already is not changed. */
export function endLineage(catalog: Catalog, lineage: string, endedAt: number): Promise<unknown> {
  return query(`ending lineage ${lineage}`, () =>
    catalog
      .update(lineages)
      .set({ endedAt })
      .where(and(eq(lineages.id, lineage), isNull(lineages.endedAt)))
      .run(),
  );
}

export function removeLineage(catalog: Catalog, lineage: string): Promise<unknown> {
  return query(`removing lineage ${lineage}`, () =>
    catalog.delete(lineages).where(eq(lineages.id, lineage)).run(),
  );
}
