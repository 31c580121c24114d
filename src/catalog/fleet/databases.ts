import { eq } from "drizzle-orm";
import { type Catalog, query } from "../open.ts";
import { databases } from "../schema.ts";

/** Return the time at which the cron last looked at a database (ms); undefined if it never did. */
export function lastLook(catalog: Catalog, name: string): Promise<number | undefined> {
  return query(`reading the state of ${name}`, async () => {
    const row = await catalog.select().from(databases).where(eq(databases.name, name)).get();
    return row?.lastLookAt;
  });
}

export function recordLook(catalog: Catalog, name: string, at: number): Promise<unknown> {
  return query(`recording the look at ${name}`, () =>
    catalog
      .insert(databases)
      .values({ name, lastLookAt: at })
      .onConflictDoUpdate({ target: databases.name, set: { lastLookAt: at } })
      .run(),
  );
}

/** Count the databases that the planner has looked at. This also shows that the catalog answers. */
export function countDatabases(catalog: Catalog): Promise<number> {
  return query("reading the catalog", () => catalog.$count(databases));
}
