import { and, asc, eq, isNull, ne, or, type SQL, sql } from "drizzle-orm";
import type { CopyState } from "../model/copy.ts";
import { type Catalog, query } from "./open.ts";
import { backups } from "./schema.ts";

const stateOf = sql<CopyState["state"] | null>`json_extract(${backups.copy}, '$.state')`;
const placeOf = sql<string | null>`json_extract(${backups.copy}, '$.to')`;

/** Record the state of a backup's second copy. */
export function recordCopy(catalog: Catalog, id: string, copy: CopyState): Promise<unknown> {
  return record(catalog, id, copy);
}

/**
 * Record the state of a backup's second copy, unless it is known to be copied to that place: a later
 * failed look changes nothing.
 */
export function recordUncopied(catalog: Catalog, id: string, copy: CopyState): Promise<unknown> {
  return record(
    catalog,
    id,
    copy,
    or(isNull(backups.copy), ne(stateOf, "copied"), ne(placeOf, copy.to)),
  );
}

function record(catalog: Catalog, id: string, copy: CopyState, unless?: SQL): Promise<unknown> {
  return query(`recording the copy of backup ${id}`, () =>
    catalog
      .update(backups)
      .set({ copy })
      .where(and(eq(backups.id, id), unless))
      .run(),
  );
}

/** List every backup with the facts that copying needs, oldest first. */
export function allForCopying(catalog: Catalog) {
  const { id, database, tier, takenAt, manifest, copy } = backups;
  const bad = sql<0 | 1>`coalesce(json_extract(${backups.verification}, '$.outcome') = 'corrupt', 0)
    OR coalesce(json_extract(${backups.drill}, '$.outcome') = 'failed', 0)`;
  return query("listing all backups", () =>
    catalog
      .select({
        id,
        database,
        takenAt,
        tier,
        key: sql<string>`json_extract(${manifest}, '$.key')`,
        storedBytes: sql<number>`json_extract(${manifest}, '$.stored.bytes')`,
        bad,
        copy,
      })
      .from(backups)
      .orderBy(asc(takenAt)),
  );
}
