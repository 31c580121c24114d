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

/**
 * Tokens of this isolate, by what they read. Those that are being made are none yet: they are lost if their
 * invocation is cut off, and others would wait for them without end.
 */
const kept = new Map<string, MintedToken>();
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
  const { api, organization } = config.turso ?? {};
  const tokens = platform && new Tokens(platform, deps, `${api} ${organization}`);
  return async (database) => {
    const source = sourceOf(database, config);
    const { group, name } = database;
    if (group === undefined || tokens === undefined) return source;
    const renew = async (was?: string) => (await tokens.take(group, name, was)).jwt;
    // Who may not have one learns that here, and not as an error of the server.
    await renew();
    return { ...source, token: undefined, renew, renewed: tokens.taken };
  };
}

/** The tokens that one invocation makes, and those that it takes from others. */
class Tokens {
  readonly #platform: Platform;
  readonly #deps: Deps;
  /** Where the tokens are made. */
  readonly #place: string;
  /** Those that are being made, by what they read. */
  readonly #making = new Map<string, Promise<MintedToken>>();
  /** All that were taken. */
  readonly taken = new Set<string>();

  constructor(platform: Platform, deps: Deps, place: string) {
    this.#platform = platform;
    this.#deps = deps;
    this.#place = place;
  }

  /**
   * Take a token that reads a database.
   *
   * @param wrong a token that its server has refused: another one is made
   * @throws NightjarError as `Platform`
   */
  async take(group: string, name: string, wrong?: string): Promise<MintedToken> {
    for (const [what, { jwt }] of kept) if (jwt === wrong) kept.delete(what);
    const token = await this.#tokenFor(group, name);
    this.taken.add(token.jwt);
    return token;
  }

  async #tokenFor(group: string, name: string): Promise<MintedToken> {
    const now = () => this.#deps.now();
    const ofGroup = `${this.#place} group ${group}`;
    if ((refused.get(ofGroup) ?? 0) <= now())
      try {
        return await this.#kept(ofGroup, () => this.#platform.mintGroupToken(group));
      } catch (thrown) {
        const { code, answered } = asNightjarError(thrown);
        if (code !== "PLATFORM_UNAUTHORIZED" || answered !== 403) throw thrown;
        refused.set(ofGroup, now() + REFUSED);
      }
    const ofDatabase = `${this.#place} database ${name}`;
    return this.#kept(ofDatabase, () => this.#platform.mintDatabaseToken(name));
  }

  async #kept(what: string, mint: () => Promise<MintedToken>): Promise<MintedToken> {
    const known = kept.get(what);
    if (known !== undefined && known.expiresAt - this.#deps.now() > LEFT_AT_LEAST) return known;
    const making = this.#making.get(what) ?? this.#make(what, mint);
    this.#making.set(what, making);
    return making;
  }

  async #make(what: string, mint: () => Promise<MintedToken>): Promise<MintedToken> {
    try {
      const minted = await mint();
      if (kept.size >= MOST_KEPT) kept.clear();
      kept.set(what, minted);
      return minted;
    } finally {
      this.#making.delete(what);
    }
  }
}
