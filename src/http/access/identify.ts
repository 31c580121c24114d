import { findToken, type Token, touchToken } from "../../catalog/access/tokens.ts";
import { secretsEqual } from "../../core/secrets-equal.ts";
import { NightjarError } from "../../errors/errors.ts";
import { type Caller, ROOT } from "../../model/actor.ts";
import type { Context } from "../../worker/context.ts";
import { countFailed, refuseBlocked } from "./attempts.ts";
import { bearerOf } from "./bearer.ts";
import { hashOfToken, tokenId } from "./token-text.ts";

/** A token's last use is recorded once in this time, ms. */
const USE = 60_000;

/**
 * Find out who sends a request, by its bearer token.
 *
 * @throws NightjarError `UNAUTHORIZED`, `TOO_MANY_ATTEMPTS`, `CATALOG_FAILED`
 */
export async function identify(context: Context, request: Request): Promise<Caller> {
  if (context.signedIn !== undefined) return context.signedIn;
  const given = bearerOf(request);
  if (given === undefined)
    throw new NightjarError("UNAUTHORIZED", "This needs a valid bearer token.");
  if (secretsEqual(given, context.config.adminToken)) return ROOT;
  refuseBlocked(context, request);
  const id = tokenId(given);
  const token = id === undefined ? undefined : await findToken(context.catalog, id);
  if (token === undefined || !secretsEqual(hashOfToken(given), token.hash)) {
    await countFailed(context, request, { shown: "token" });
    throw new NightjarError("UNAUTHORIZED", "This needs a valid bearer token.");
  }
  return callerOf(context, token);
}

/**
 * Return who a token stands for, and record that it was used.
 *
 * @throws NightjarError `UNAUTHORIZED` if it has ended; `CATALOG_FAILED`
 */
export async function callerOf({ catalog, deps }: Context, token: Token): Promise<Caller> {
  const now = deps.now();
  refuseEnded(token, now);
  if (now - (token.lastUsedAt ?? 0) >= USE) await touchToken(catalog, token.id, now);
  return {
    id: `token:${token.id}`,
    name: token.name,
    rights: { scopes: token.scopes, databases: token.databases ?? undefined },
  };
}

/** Who has the token may know why it is refused. @throws NightjarError `UNAUTHORIZED` */
function refuseEnded({ id, name, expiresAt, revokedAt }: Token, now: number): void {
  const ended =
    revokedAt !== null
      ? `was revoked at ${new Date(revokedAt).toISOString()}`
      : expiresAt !== null && expiresAt <= now
        ? `expired at ${new Date(expiresAt).toISOString()}`
        : undefined;
  if (ended === undefined) return;
  throw new NightjarError("UNAUTHORIZED", `Token ${name} (${id}) ${ended}.`, {
    hint: "Ask whoever made it for a new one: `nightjar token create`.",
  });
}
