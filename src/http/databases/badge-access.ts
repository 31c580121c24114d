import type { DatabaseConfig } from "../../config/database.ts";
import type { Config } from "../../config/load.ts";
import { hasScope, reaches } from "../../plan/access.ts";
import type { Context } from "../../worker/context.ts";
import { identify } from "../access/identify.ts";
import { bearerOf } from "../access/bearer.ts";
import { sign, signatureHolds, signingKeys } from "../links/signature.ts";

/** The path of a database's badge, with the key that a private one needs. */
export function badgePath(config: Config, { name, badge }: DatabaseConfig): string {
  const path = `/badge/${name}.svg`;
  return badge === "public" ? path : `${path}?key=${sign(config.signingKey, "badge", [name])}`;
}

/**
 * The database whose badge or health a request may see: a public one, a private one with its badge's
 * key, any that its bearer token reaches. Undefined for one that may not be seen as for one that is not
 * there.
 *
 * @throws NightjarError `UNAUTHORIZED`, `TOO_MANY_ATTEMPTS` for a wrong token; `CATALOG_FAILED`
 */
export async function visibleDatabase(
  context: Context,
  name: string,
  request: Request,
): Promise<DatabaseConfig | undefined> {
  const { config, fleet } = context;
  const database = await fleet.find(name);
  if (database?.badge === "public") return database;
  if (bearerOf(request) !== undefined) {
    const { rights } = await identify(context, request);
    return hasScope(rights, "read") && reaches(rights, name) ? database : undefined;
  }
  if (database === undefined) return undefined;
  const key = new URL(request.url).searchParams.get("key") ?? "";
  return signatureHolds(key, signingKeys(config), "badge", [name]) ? database : undefined;
}
