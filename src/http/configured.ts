import { backupCounts, countBackups } from "../catalog/backups.ts";
import { lineagesOf } from "../catalog/lineages.ts";
import { type DatabaseConfig, refuseMistakes } from "../config/database.ts";
import type { Context } from "../worker/context.ts";
import { NightjarError } from "../errors/errors.ts";
import { reaches, type Rights } from "../plan/access.ts";
import { nearest } from "../plan/nearest.ts";

/** A database by its name. */
export interface KnownDatabase {
  readonly name: string;
  /** Undefined for one that was renamed or removed: what was stored of it is still there. */
  readonly config: DatabaseConfig | undefined;
}

/**
 * The database of this name that a caller reaches: one that is configured, or one that was and has backups
 * or a page log.
 *
 * @throws NightjarError `DATABASE_NOT_FOUND` with the name that was likely meant
 */
export async function knownDatabase(
  context: Context,
  name: string,
  rights: Rights,
): Promise<KnownDatabase> {
  const { catalog, fleet } = context;
  if (!reaches(rights, name)) throw await noSuchDatabase(context, name, rights);
  const database = await fleet.find(name);
  if (database !== undefined) return { name, config: database };
  if ((await countBackups(catalog, name)) > 0) return { name, config: undefined };
  if ((await lineagesOf(catalog, name)).length > 0) return { name, config: undefined };
  throw await noSuchDatabase(context, name, rights);
}

/** Make the error for a name; it suggests only names that the caller may know. */
export async function noSuchDatabase(
  { catalog, fleet }: Context,
  name: string,
  rights: Rights,
): Promise<NightjarError> {
  const all = new Set([...(await fleet.all()).keys(), ...(await backupCounts(catalog)).keys()]);
  const names = [...all].filter((one) => reaches(rights, one));
  const meant = nearest(name, names);
  return new NightjarError(
    "DATABASE_NOT_FOUND",
    `No database ${name.slice(0, 100)} is configured, and none of this name has backups.${meant === undefined ? "" : ` Did you mean ${meant}?`}`,
  );
}

/**
 * The configured database of this name, for what needs its server.
 *
 * @throws NightjarError `DATABASE_NOT_FOUND`, `DATABASE_NOT_CONFIGURED`, `DATABASE_MISCONFIGURED`
 */
export async function configured(
  context: Context,
  name: string,
  rights: Rights,
): Promise<DatabaseConfig> {
  const { config } = await knownDatabase(context, name, rights);
  if (config !== undefined) {
    refuseMistakes(config);
    return config;
  }
  throw new NightjarError(
    "DATABASE_NOT_CONFIGURED",
    `${name} is not configured: Nightjar has its backups, but does not know its server.`,
  );
}
