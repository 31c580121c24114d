import type { DatabaseConfig } from "../config/database.ts";
import type { Config } from "../config/load.ts";
import type { Deps } from "../core/deps.ts";
import { asNightjarError } from "../errors/errors.ts";
import { type Source, sourceOf } from "../libsql/server.ts";
import { type MintedToken, type Platform, platformOf } from "../platform/platform.ts";
import { HOUR, MINUTE } from "../plan/duration.ts";

/** A token with less time left is replaced, ms. */
const LEFT_AT_LEAST = 10 * MINUTE;
/** Time for which a group that gave no token is not asked for one, ms. */
const REFUSED = HOUR;
/** Tokens that one isolate keeps at most: databases may have one each. */
const MOST_KEPT = 2000;

/** Tokens of this isolate, by what they read. Those that are being made are waited for. */
const kept = new Map<string, { readonly token: Promise<MintedToken>; expiresAt: number }>();
/** Until when groups that gave none are not asked, ms. */
const refused = new Map<string, number>();

/** Return the client of Turso's platform API; undefined where `TURSO` is not configured. */
export function platformFor({ turso, platformToken }: Config, deps: Deps): Platform | undefined {
  if (turso === undefined || platformToken === undefined) return undefined;
  const { api, organization } = turso;
  return platformOf({ api, organization, token: platformToken, deps });
}

/**
 * Return what gives each database's server, with a token for it: the configured one, or one that reads only and
 * that Turso makes for an hour. That is for all databases of its group if Turso makes such; it is replaced while
 * the source is used.
 */
export function sourcesOf(
  config: Config,
  deps: Deps,
  platform: Platform | undefined,
): (database: DatabaseConfig) => Promise<Source> {
  return async (database) => {
    const source = sourceOf(database, config);
    const { group, name } = database;
    if (group === undefined || platform === undefined) return source;
    const place = `${config.turso!.api} ${config.turso!.organization}`;
    const renew = async () => {
      ({ jwt } = await tokenFor(platform, deps, place, group, name));
      return jwt;
    };
    let jwt = "";
    await renew();
    const { url, namespace, stallMs, encryptionKey } = source;
    return {
      ...{ url, namespace, stallMs, encryptionKey, renew },
      get token() {
        return jwt;
      },
    };
  };
}

/** @throws NightjarError as `Platform` */
async function tokenFor(
  platform: Platform,
  deps: Deps,
  place: string,
  group: string,
  name: string,
): Promise<MintedToken> {
  const ofGroup = `${place} group ${group}`;
  if ((refused.get(ofGroup) ?? 0) <= deps.now())
    try {
      return await keptToken(deps, ofGroup, () => platform.mintGroupToken(group));
    } catch (thrown) {
      const { code, answered } = asNightjarError(thrown);
      if (code !== "PLATFORM_UNAUTHORIZED" || answered !== 403) throw thrown;
      refused.set(ofGroup, deps.now() + REFUSED);
    }
  return keptToken(deps, `${place} database ${name}`, () => platform.mintDatabaseToken(name));
}

async function keptToken(
  deps: Deps,
  what: string,
  mint: () => Promise<MintedToken>,
): Promise<MintedToken> {
  const known = kept.get(what);
  if (known !== undefined && known.expiresAt - deps.now() > LEFT_AT_LEAST) return known.token;
  if (kept.size >= MOST_KEPT) kept.clear();
  const entry = { token: mint(), expiresAt: Infinity };
  kept.set(what, entry);
  try {
    const minted = await entry.token;
    entry.expiresAt = minted.expiresAt;
    return minted;
  } catch (thrown) {
    if (kept.get(what) === entry) kept.delete(what);
    throw thrown;
  }
}
