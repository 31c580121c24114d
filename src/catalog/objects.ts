import { and, asc, eq, getTableColumns, gte, inArray, isNull, lt, or, sql } from "drizzle-orm";
import { type Catalog, query } from "./open.ts";
import { objects, segments } from "./schema.ts";

export type KnownObject = typeof objects.$inferSelect;
export type ObjectFacts = Omit<KnownObject, "checkedAt">;

/** Keys in one query; D1 takes 100 parameters. */
const KEYS_A_QUERY = 90;
const ROWS_A_QUERY = Math.floor(100 / Object.keys(getTableColumns(objects)).length);

/** Return what is known of some objects; objects that the catalog does not know are left out. */
export function findObjects(catalog: Catalog, keys: readonly string[]): Promise<KnownObject[]> {
  return query(`looking up ${keys.length} objects`, async () => {
    const found: KnownObject[] = [];
    for (let at = 0; at < keys.length; at += KEYS_A_QUERY) {
      const some = keys.slice(at, at + KEYS_A_QUERY);
      found.push(...(await catalog.select().from(objects).where(inArray(objects.key, some))));
    }
    return found;
  });
}

/** Return the keys under a prefix of the objects that must be in the bucket, in ascending order. */
export function objectKeysUnder(catalog: Catalog, prefix: string): Promise<string[]> {
  return query(`looking up the objects under ${prefix}`, async () => {
    const rows = await catalog
      .select({ key: objects.key })
      .from(objects)
      .where(and(gte(objects.key, prefix), lt(objects.key, `${prefix}\uffff`)))
      .orderBy(asc(objects.key));
    return rows.map(({ key }) => key);
  });
}

/** Record objects that were written, or found and compared. This replaces what was known of their keys. */
export function recordObjects(catalog: Catalog, rows: readonly ObjectFacts[]): Promise<unknown> {
  return query(`recording ${rows.length} objects`, async () => {
    for (let at = 0; at < rows.length; at += ROWS_A_QUERY)
      await catalog
        .insert(objects)
        .values(rows.slice(at, at + ROWS_A_QUERY))
        .onConflictDoUpdate({
          target: objects.key,
          set: {
            version: sql`excluded.version`,
            sha256: sql`excluded.sha256`,
            bytes: sql`excluded.bytes`,
            checkedAt: null,
          },
        })
        .run();
  });
}

/** Record that some objects were read whole at a time (ms). */
export function recordObjectChecks(
  catalog: Catalog,
  keys: readonly string[],
  at: number,
): Promise<unknown> {
  return query(`recording a look at ${keys.length} objects`, async () => {
    for (let from = 0; from < keys.length; from += KEYS_A_QUERY) {
      const some = keys.slice(from, from + KEYS_A_QUERY);
      await catalog.update(objects).set({ checkedAt: at }).where(inArray(objects.key, some)).run();
    }
  });
}

/** Forget objects that were deleted. */
export function forgetObjects(catalog: Catalog, keys: readonly string[]): Promise<unknown> {
  return query(`forgetting ${keys.length} objects`, async () => {
    for (let at = 0; at < keys.length; at += KEYS_A_QUERY) {
      const some = keys.slice(at, at + KEYS_A_QUERY);
      await catalog.delete(objects).where(inArray(objects.key, some)).run();
    }
  });
}

/** Forget the objects of backups: those whose keys are one of `stems` followed by a dot and anything. */
export function forgetObjectsOf(catalog: Catalog, stems: readonly string[]): Promise<unknown> {
  return query(`forgetting the objects of ${stems.length} backups`, async () => {
    const [first, ...rest] = stems.map((stem) =>
      catalog.delete(objects).where(and(gte(objects.key, `${stem}.`), lt(objects.key, `${stem}/`))),
    );
    if (first !== undefined) await catalog.batch([first, ...rest]);
  });
}

/** List segments of the page logs that were not read whole since a moment (ms), the longest unread first. */
export function segmentsToCheck(
  catalog: Catalog,
  before: number,
  limit: number,
): Promise<{ key: string; bytes: number; lineage: string; database: string }[]> {
  const { key, bytes, lineage, database } = segments;
  return query("looking for segments to read", () =>
    catalog
      .select({ key, bytes, lineage, database })
      .from(segments)
      .leftJoin(objects, eq(objects.key, segments.key))
      .where(or(isNull(objects.checkedAt), lt(objects.checkedAt, before)))
      .orderBy(asc(objects.checkedAt), asc(segments.key))
      .limit(limit),
  );
}
