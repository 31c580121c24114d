import { verifyWithJwks } from "hono/jwt";
import * as v from "valibot";
import { scopesOfPerson } from "../../config/access.ts";
import type { Deps } from "../../core/deps.ts";
import { readJson } from "../../core/read-body.ts";
import { messageOf, NightjarError } from "../../errors/errors.ts";
import type { Caller } from "../../model/actor.ts";
import { HOUR, MINUTE } from "../../plan/duration.ts";
import type { Context } from "../../worker/context.ts";

/** The header in which Cloudflare Access says who somebody is. */
const HEADER = "cf-access-jwt-assertion";
/** The keys of a team change every six weeks; ms. */
const KEPT = HOUR;
/** Keys are asked for again for an unknown one, but no more often than this, ms. */
const PAUSE = MINUTE;
/** Bytes of a team's keys at most. */
const LARGEST = 256 * 1024;

const keysSchema = v.object({
  keys: v.array(v.looseObject({ kid: v.string(), kty: v.string() })),
});
type Keys = Parameters<typeof verifyWithJwks>[1]["keys"];

/** The keys of each team, and when they were read. A cache, and no more: another isolate reads its own. */
const known = new Map<string, { readonly keys: NonNullable<Keys>; readonly at: number }>();

/** Read the keys of a team (https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/). */
async function keysOf(issuer: string, deps: Deps, olderThan: number): Promise<NonNullable<Keys>> {
  const cached = known.get(issuer);
  if (cached !== undefined && deps.now() - cached.at < olderThan) return cached.keys;
  try {
    const response = await deps.fetch(`${issuer}/cdn-cgi/access/certs`, { redirect: "manual" });
    if (response.status !== 200) throw new Error(`it answered ${response.status}`);
    const { keys } = v.parse(keysSchema, await readJson(response, LARGEST));
    known.set(issuer, { keys, at: deps.now() });
    return keys;
  } catch (thrown) {
    throw new NightjarError(
      "ACCESS_UNREACHABLE",
      `The keys of ${issuer} cannot be read: ${messageOf(thrown)}`,
      {
        cause: thrown,
      },
    );
  }
}

/**
 * Return who Cloudflare Access says that somebody is; undefined where Access is not configured, or says nothing.
 *
 * @throws NightjarError `UNAUTHORIZED` for a token that is not the team's, or not for this application;
 *   `FORBIDDEN` for a person who is not named in the configuration; `ACCESS_UNREACHABLE`
 */
export async function personOf(
  { config, deps }: Context,
  request: Request,
): Promise<Caller | undefined> {
  const { access } = config;
  const token = request.headers.get(HEADER);
  if (access === undefined || token === null) return undefined;
  const issuer = `https://${access.team}.cloudflareaccess.com`;
  const verified = async (olderThan: number) =>
    verifyWithJwks(token, {
      keys: await keysOf(issuer, deps, olderThan),
      allowedAlgorithms: ["RS256"],
      verification: { iss: issuer, aud: access.audience, exp: true, nbf: true, iat: false },
    });
  let email: unknown;
  try {
    // A key that is not known may be a new one.
    const payload = await verified(KEPT).catch((thrown: unknown) => {
      if (thrown instanceof NightjarError) throw thrown;
      return verified(PAUSE);
    });
    email = payload["email"];
  } catch (thrown) {
    if (thrown instanceof NightjarError) throw thrown;
    throw new NightjarError("UNAUTHORIZED", "Cloudflare Access's token is not valid here.", {
      hint: "Reload the page to sign in again. Are `team` and `audience` of ACCESS those of this application?",
      cause: thrown,
    });
  }
  if (typeof email !== "string" || email === "")
    throw new NightjarError(
      "FORBIDDEN",
      "Cloudflare Access names no person: a service token uses the API.",
    );
  const scopes = scopesOfPerson(access, email);
  if (scopes === undefined)
    throw new NightjarError("FORBIDDEN", `${email} is not among the people of ACCESS.`, {
      hint: "Whoever deploys Nightjar adds the address to `people`: docs/page.md.",
    });
  // However somebody writes an address: a second person is another one.
  return {
    id: `access:${email.toLowerCase()}`,
    name: email,
    rights: { scopes, databases: undefined },
  };
}
