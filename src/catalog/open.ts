import { DrizzleQueryError } from "drizzle-orm";
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";
import { messageOf, NightjarError, failAs } from "../errors/errors.ts";

export type Catalog = DrizzleD1Database;

export function openCatalog(db: D1Database): Catalog {
  return drizzle(db);
}

/** D1's messages for values that it refuses however often they are sent. */
const REFUSED = /constraint failed|SQLITE_CONSTRAINT|SQLITE_TOOBIG|string or blob too big/;

/**
 * Run a catalog query; `what` names its purpose in errors.
 *
 * @throws NightjarError `CATALOG_CONFLICT` if the catalog refuses these values, else `CATALOG_FAILED`
 */
export function query<T>(what: string, run: () => Promise<T>): Promise<T> {
  return failAs("CATALOG_FAILED", what, async () => {
    try {
      return await run();
    } catch (thrown) {
      // Drizzle's own message repeats the whole query with its values; the cause has D1's message.
      const cause = thrown instanceof DrizzleQueryError ? thrown.cause : thrown;
      if (!REFUSED.test(messageOf(cause))) throw cause;
      throw new NightjarError("CATALOG_CONFLICT", `${what}: ${messageOf(cause)}`, { cause });
    }
  });
}
