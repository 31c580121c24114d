import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { sendsTokenInClear } from "../../plan/transport.ts";
import type { Source } from "../../libsql/server.ts";

/** A database to restore into, as a request names it. */
export type TargetName =
  /** Any libSQL server. The token is known to this one request only. */
  | {
      readonly url: string;
      readonly token?: string | undefined;
      readonly namespace?: string | undefined;
    }
  /** A database that is configured, with its own token. */
  | { readonly database: string };

/** Time for which an unconfigured target may send nothing, ms. */
const STALL = 60_000;

export interface Target {
  readonly server: Source;
  /** Name of the configured database at this address, however the request named it; null if there is none. */
  readonly database: string | null;
  /** True if the request named it as a configured database, so that it can be backed up first. */
  readonly configured: boolean;
}

/**
 * Find the server that a target's name means.
 *
 * @throws NightjarError `DATABASE_NOT_FOUND`; `REQUEST_INVALID` for a token that would be sent in clear
 */
export async function resolveTarget(
  { config, fleet, sourceOf }: Context,
  name: TargetName,
): Promise<Target> {
  if ("database" in name) {
    const database = await fleet.find(name.database);
    if (database === undefined)
      throw new NightjarError("DATABASE_NOT_FOUND", `No database ${name.database} is configured.`);
    if (database.group !== undefined)
      throw new NightjarError(
        "REQUEST_INVALID",
        `${name.database} was found through TURSO: its tokens read only, and a restore writes.`,
        { hint: "Give its address and a token that may write: --to <url> --token-env <NAME>." },
      );
    const server = await sourceOf(database);
    return { server, database: database.name, configured: true };
  }
  const { url, token, namespace } = name;
  if (token !== undefined && sendsTokenInClear(url))
    throw new NightjarError(
      "REQUEST_INVALID",
      "The target's address begins with http://, which would send its token in clear.",
      { hint: "Give an address that begins with libsql:// or https://." },
    );
  const same = [...config.databases.values()].find((one) => isAt(one, url, namespace));
  const server = { url, token, namespace, stallMs: STALL };
  return { server, database: same?.name ?? (await fleet.nameAt(url)) ?? null, configured: false };
}

function isAt(database: DatabaseConfig, url: string, namespace: string | undefined): boolean {
  return new URL(database.url).href === new URL(url).href && database.namespace === namespace;
}
