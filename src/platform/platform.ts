import * as v from "valibot";
import { claimsOf } from "../core/token-claims.ts";
import { listDatabases, type PlatformDatabase } from "./databases.ts";
import { askerOf, invalid, type PlatformOptions, type PlatformRequest } from "./request.ts";

export type { PlatformDatabase } from "./databases.ts";
export type { PlatformOptions } from "./request.ts";

/** A token that reads a database, or all of a group. */
export interface MintedToken {
  readonly jwt: string;
  /** When it expires, ms since the epoch; not later than that. */
  readonly expiresAt: number;
}

/** What Turso lets happen to a database. */
export interface PlatformConfiguration {
  /** The addresses that may connect, where not all may. A Worker has no fixed address. */
  readonly allowedIps: readonly string[] | null;
  /** The endpoints of AWS through which one must connect, where that is so. A Worker comes through none. */
  readonly allowedVpcs: readonly string[] | null;
  readonly readsBlocked: boolean;
  readonly deleteProtected: boolean;
}

/** Turso's platform API, as far as Nightjar needs it (https://docs.turso.tech/api-reference). */
export interface Platform {
  /**
   * List all databases, page by page, each once. Only a listing that ends without an error has them all.
   *
   * @throws NightjarError `PLATFORM_UNAUTHORIZED`, `PLATFORM_UNREACHABLE`, `PLATFORM_INVALID`
   */
  listDatabases(): AsyncIterable<PlatformDatabase[]>;
  /** Make a token that reads one database for an hour. @throws NightjarError as `listDatabases` */
  mintDatabaseToken(name: string): Promise<MintedToken>;
  /**
   * Make a token that reads all databases of a group for an hour.
   *
   * @throws NightjarError as `listDatabases`; `PLATFORM_UNAUTHORIZED` with `answered` 403 where the platform
   * token may make none for a group
   */
  mintGroupToken(group: string): Promise<MintedToken>;
  /** Read what Turso lets happen to a database. @throws NightjarError as `listDatabases` */
  readConfiguration(name: string): Promise<PlatformConfiguration>;
}

const LIFETIME = 3_600_000;
const MINT = { expiration: "1h", authorization: "read-only" };

const list = v.nullish(v.array(v.string()), []);
const configurationSchema = v.looseObject({
  allowed_ips: list,
  allowed_aws_vpc_ids: list,
  block_reads: v.nullish(v.boolean(), false),
  delete_protection: v.nullish(v.boolean(), false),
});
// What no header can hold is no token.
const mintedSchema = v.looseObject({ jwt: v.pipe(v.string(), v.regex(/^[\x21-\x7E]{1,16384}$/)) });

/** Make a client of the platform API, for one invocation of a Worker. */
export function platformOf(options: PlatformOptions): Platform {
  const ask = askerOf(options);
  const { deps } = options;
  const mint = async (what: string, path: string[]): Promise<MintedToken> => {
    const asked = deps.now();
    const request: PlatformRequest = { what, method: "POST", path, query: MINT };
    const { jwt } = await ask(request, (answer) => {
      const result = v.safeParse(mintedSchema, answer);
      if (!result.success) throw invalid(what, "the answer has no token");
      return result.output;
    });
    return { jwt, expiresAt: Math.min(asked + LIFETIME, claimsOf(jwt).expiresAt ?? Infinity) };
  };
  return {
    listDatabases: () => listDatabases(ask),
    mintDatabaseToken: (name) =>
      mint(`making a token for the database ${name}`, ["databases", name, "auth", "tokens"]),
    mintGroupToken: (group) =>
      mint(`making a token for the group ${group}`, ["groups", group, "auth", "tokens"]),
    async readConfiguration(name) {
      const what = `reading the configuration of ${name}`;
      const path = ["databases", name, "configuration"];
      const found = await ask({ what, method: "GET", path }, (answer) => {
        const result = v.safeParse(configurationSchema, answer);
        if (!result.success) throw invalid(what, "the answer is no configuration");
        return result.output;
      });
      // An empty list lets everybody in.
      const some = (entries: string[]) => (entries.length === 0 ? null : entries);
      return {
        allowedIps: some(found.allowed_ips),
        allowedVpcs: some(found.allowed_aws_vpc_ids),
        readsBlocked: found.block_reads,
        deleteProtected: found.delete_protection,
      };
    },
  };
}
