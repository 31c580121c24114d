import { DrizzleQueryError } from "drizzle-orm";
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";
import { orFail } from "../errors.ts";

export type Catalog = DrizzleD1Database;

export function openCatalog(db: D1Database): Catalog {
  return drizzle(db);
}

/**
 * Run a catalog query; `what` says what it was for.
 *
 * @throws NightjarError `CATALOG_FAILED`
 */
export function query<T>(what: string, run: () => Promise<T>): Promise<T> {
  return orFail("CATALOG_FAILED", what, async () => {
    try {
      return await run();
    } catch (thrown) {
      // Drizzle's own message repeats the whole query with its values; D1's words are the cause.
      throw thrown instanceof DrizzleQueryError ? thrown.cause : thrown;
    }
  });
}
