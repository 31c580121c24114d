import type { Context as HonoContext } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { findToken } from "../../catalog/access/tokens.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import { type Caller, ROOT } from "../../model/actor.ts";
import { HOUR } from "../../plan/duration.ts";
import type { Context } from "../../worker/context.ts";
import { sign, signatureHolds, signingKeys } from "../links/signature.ts";
import type { HttpEnv } from "../hono-env.ts";
import { callerOf } from "./identify.ts";
import { personOf } from "./person.ts";

const COOKIE = "nightjar";
/** Time for which somebody stays signed in, ms. */
const VALID = 12 * HOUR;

/** What a session is bound to: a new ADMIN_TOKEN, or a token that is revoked, ends it. */
function fieldsOf({ config }: Context, who: string, until: string): string[] {
  return [who, until, who === ROOT.id ? fingerprint(config.adminToken) : ""];
}

/** Keep somebody signed in, by a cookie that holds no token. */
export function beginSession(c: HonoContext<HttpEnv>, caller: Caller): void {
  const until = String(c.env.deps.now() + VALID);
  const signature = sign(c.env.config.signingKey, "session", fieldsOf(c.env, caller.id, until));
  setCookie(c, COOKIE, `${caller.id}.${until}.${signature}`, cookieOptions(c));
}

export function endSession(c: HonoContext<HttpEnv>): void {
  deleteCookie(c, COOKIE, cookieOptions(c));
}

/** A browser sends the cookie to no other site, nor from one, and shows it to no script. */
function cookieOptions(c: HonoContext<HttpEnv>) {
  const secure = new URL(c.req.url).protocol === "https:";
  return { httpOnly: true, sameSite: "Strict", secure, path: "/", maxAge: VALID / 1000 } as const;
}

/**
 * Return who is signed in, by Cloudflare Access or by a token; undefined for nobody, and for a session that has
 * ended.
 *
 * @throws NightjarError `UNAUTHORIZED` if its token has ended; `CATALOG_FAILED`; as `personOf`
 */
export async function signedIn(c: HonoContext<HttpEnv>): Promise<Caller | undefined> {
  const person = await personOf(c.env, c.req.raw);
  if (person !== undefined) return person;
  const [who = "", until = "", signature = ""] = (getCookie(c, COOKIE) ?? "").split(".");
  if (!(Number(until) > c.env.deps.now())) return undefined;
  const fields = fieldsOf(c.env, who, until);
  if (!signatureHolds(signature, signingKeys(c.env.config), "session", fields)) return undefined;
  if (who === ROOT.id) return ROOT;
  const token = await findToken(c.env.catalog, who.slice("token:".length));
  return token && callerOf(c.env, token);
}
