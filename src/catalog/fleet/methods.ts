import { eq } from "drizzle-orm";
import type { Method } from "../../model/manifest.ts";
import { type Catalog, query } from "../open.ts";
import { methods } from "../schema.ts";

/**
 * Return the recorded method of reading a database; undefined if there is none or it was found at
 * another address.
 */
export function knownMethod(
  catalog: Catalog,
  database: string,
  url: string,
): Promise<{ method: Method; probedAt: number } | undefined> {
  return query(`reading how ${database} is read`, async () => {
    const row = await catalog.select().from(methods).where(eq(methods.database, database)).get();
    return row?.url === url ? row : undefined;
  });
}

/** Forget how a database is read, so that its server is asked again next time. */
export function forgetMethod(catalog: Catalog, database: string): Promise<unknown> {
  return query(`forgetting how ${database} is read`, () =>
    catalog.delete(methods).where(eq(methods.database, database)).run(),
  );
}

export function recordMethod(
  catalog: Catalog,
  database: string,
  url: string,
  method: Method,
  probedAt: number,
): Promise<unknown> {
  const row = { url, method, probedAt };
  return query(`recording how ${database} is read`, () =>
    catalog
      .insert(methods)
      .values({ database, ...row })
      .onConflictDoUpdate({ target: methods.database, set: row })
      .run(),
  );
}
