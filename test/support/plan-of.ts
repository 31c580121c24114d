import { eq } from "drizzle-orm";
import type { Catalog } from "../../src/catalog/open.ts";
import { databases } from "../../src/catalog/schema.ts";

/** Read what the planner knows of a database. */
export async function planOf(catalog: Catalog, name: string) {
  return catalog.select().from(databases).where(eq(databases.name, name)).get();
}
