import type { DatabaseConfig } from "../../config/database.ts";
import type { Config } from "../../config/load.ts";
import { bearerIs } from "../auth.ts";
import { sign, signatureHolds } from "../links/signature.ts";

/** The path of a database's badge, with the key that a private one needs. */
export function badgePath(config: Config, { name, badge }: DatabaseConfig): string {
  const path = `/badge/${name}.svg`;
  return badge === "public" ? path : `${path}?key=${sign(config.signingKey, "badge", [name])}`;
}

/**
 * The database whose badge or health a request may see: a public one, a private one with its badge's
 * key, any with the admin token. Undefined for one that may not be seen as for one that is not there.
 */
export function visibleDatabase(
  config: Config,
  name: string,
  request: Request,
): DatabaseConfig | undefined {
  const database = config.databases.get(name);
  if (database === undefined) return undefined;
  if (database.badge === "public" || bearerIs(request, config.adminToken)) return database;
  const key = new URL(request.url).searchParams.get("key") ?? "";
  return signatureHolds(key, config.signingKey, "badge", [name]) ? database : undefined;
}
