import type { DatabaseConfig } from "../config.ts";
import type { Context } from "../context.ts";
import { NightjarError } from "../errors.ts";

/**
 * The configured database of this name.
 *
 * @throws NightjarError `DATABASE_NOT_FOUND`
 */
export function configured(context: Context, name: string): DatabaseConfig {
  const database = context.config.databases.get(name);
  if (database === undefined)
    throw new NightjarError("DATABASE_NOT_FOUND", `No database ${name} is configured.`);
  return database;
}
