import { sql } from "drizzle-orm";
import { isAmong } from "../among.ts";
import { type Catalog, query } from "../open.ts";
import { databases } from "../schema.ts";

/** What is planned for a database: its next run, or its next drill. */
export type Planned = "run" | "drill";

const NAMES = { run: sql.raw("run_at"), drill: sql.raw("drill_at") } as const;

/** A database that is due. */
export interface DueDatabase {
  readonly name: string;
  /** Every scheduled moment up to then is dealt with, ms; undefined if none ever was. */
  readonly lastLookAt: number | undefined;
}

/** When a database is due next, ms, and up to when its scheduled moments are dealt with now, ms. */
export interface Plan {
  readonly name: string;
  readonly at: number;
  readonly lookedAt?: number | undefined;
}

/** Enter databases with the planner, unless they are: each is due at once. */
export function enterDatabases(catalog: Catalog, names: readonly string[]): Promise<unknown> {
  return query("planning databases", () =>
    catalog.run(
      sql`INSERT INTO databases (name, last_look_at) SELECT value, 0 FROM json_each(${JSON.stringify(names)}) WHERE true ON CONFLICT DO NOTHING`,
    ),
  );
}

/** Remove databases from the planner. */
export function removeDatabases(catalog: Catalog, names: readonly string[]): Promise<unknown> {
  return query("removing databases from the plan", () =>
    catalog.delete(databases).where(isAmong(databases.name, names)).run(),
  );
}

/**
 * Take up to `limit` databases that are due at `now` (ms), the longest due first. Nobody else gets them before
 * `until` (ms), by when `planDatabases` must have said when they are due next: then they are due again.
 */
export function takeDue(
  catalog: Catalog,
  what: Planned,
  now: number,
  until: number,
  limit: number,
): Promise<DueDatabase[]> {
  const column = NAMES[what];
  return query(`taking what is due for a ${what}`, async () => {
    const rows = await catalog.all<{ name: string; last_look_at: number }>(sql`
      UPDATE databases SET ${column} = ${until}
      WHERE name IN (SELECT name FROM databases WHERE ${column} <= ${now} ORDER BY ${column} LIMIT ${limit})
      RETURNING name, last_look_at`);
    return rows
      .map(({ name, last_look_at: at }) => ({ name, lastLookAt: at === 0 ? undefined : at }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  });
}

/** Record when databases are due next. */
export function planDatabases(
  catalog: Catalog,
  what: Planned,
  plans: readonly Plan[],
): Promise<unknown> {
  return query(`planning the next ${what}`, () =>
    catalog.run(sql`
      UPDATE databases SET ${NAMES[what]} = p.value ->> 'at',
        last_look_at = coalesce(p.value ->> 'lookedAt', last_look_at)
      FROM json_each(${JSON.stringify(plans)}) p WHERE databases.name = p.value ->> 'name'`),
  );
}

/** Plan all databases anew: their schedules may be others now. */
export function planAnew(catalog: Catalog): Promise<unknown> {
  return query("planning all databases anew", () =>
    catalog.update(databases).set({ runAt: 0, drillAt: 0 }).run(),
  );
}

/**
 * Take the `limit` databases that nobody has watched for the longest time, those first to which something has
 * happened since. They count as watched at `now` (ms).
 */
export function takeToWatch(catalog: Catalog, now: number, limit: number): Promise<string[]> {
  return query("choosing what is watched", async () => {
    const rows = await catalog.all<{ name: string }>(sql`
      UPDATE databases SET watched_at = ${now}
      WHERE name IN (SELECT name FROM databases ORDER BY watched_at LIMIT ${limit}) RETURNING name`);
    return rows.map(({ name }) => name);
  });
}

/** Make a statement that has the database of a run looked at soon: something has happened to it. */
export function noticeOf(catalog: Catalog, runId: string) {
  return catalog
    .update(databases)
    .set({ watchedAt: 0, drillAt: 0 })
    .where(sql`${databases.name} = (SELECT database FROM runs WHERE id = ${runId})`);
}

/** Read one row, which shows that the catalog answers and has its tables. */
export function touchCatalog(catalog: Catalog): Promise<unknown> {
  return query("reading the catalog", () => catalog.select().from(databases).limit(1));
}
