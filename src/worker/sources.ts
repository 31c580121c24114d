import type { DatabaseConfig } from "../config/database.ts";
import type { Config } from "../config/load.ts";
import { type Source, sourceOf } from "../libsql/server.ts";

/** Return what gives each database's server, with a token for it. */
export function sourcesOf(config: Config): (database: DatabaseConfig) => Promise<Source> {
  return async (database) => sourceOf(database, config);
}
