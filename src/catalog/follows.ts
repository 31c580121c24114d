import { eq } from "drizzle-orm";
import { type Catalog, query } from "./open.ts";
import { follows } from "./schema.ts";

export type Follow = typeof follows.$inferSelect;

/** Return the state of following a database; undefined if it was never tried. */
export function followOf(catalog: Catalog, database: string): Promise<Follow | undefined> {
  return query(`reading how ${database} is followed`, () =>
    catalog.select().from(follows).where(eq(follows.database, database)).get(),
  );
}

export function recordFollow(catalog: Catalog, follow: Follow): Promise<unknown> {
  return query(`recording how ${follow.database} is followed`, () =>
    catalog
      .insert(follows)
      .values(follow)
      .onConflictDoUpdate({ target: follows.database, set: follow })
      .run(),
  );
}
