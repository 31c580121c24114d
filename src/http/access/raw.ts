import { rawNeedsScope } from "../../config/sanitize.ts";
import { NightjarError } from "../../errors/errors.ts";
import { hasScope, type Rights } from "../../plan/access.ts";
import type { Context } from "../../worker/context.ts";

/**
 * Refuse values of a database as they are, where that takes a scope that the caller does not have.
 *
 * @throws NightjarError `SANITIZE_REQUIRED`
 */
export function refuseRaw({ config }: Context, database: string, rights: Rights): void {
  if (rawNeedsScope(config.databases, database) && !hasScope(rights, "download:raw"))
    throw rawRefused(database);
}

/** Make the error for values that are not given as they are. */
export function rawRefused(database: string): NightjarError {
  return new NightjarError(
    "SANITIZE_REQUIRED",
    `The values of ${database} are given sanitized only: as they are they take the scope download:raw.`,
  );
}
