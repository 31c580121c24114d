import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import { claimKey, keepAnswer, type Repeat, releaseKey } from "../../catalog/access/repeats.ts";
import { iso } from "../../core/iso.ts";
import { log } from "../../core/log.ts";
import { NightjarError } from "../../errors/errors.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import type { Action } from "../../model/audit.ts";
import { DAY, MINUTE } from "../../plan/duration.ts";
import type { HttpEnv } from "../hono-env.ts";
import { type Need, needOf } from "./needs.ts";

/** Time for which a key is remembered, ms. */
const REMEMBERED = DAY;
/** Time after which a request without an answer has broken off, ms. */
const LONGEST_ACT = 15 * MINUTE;
/** Characters of an answer that are kept; a longer one is told of, and not repeated. */
const LONGEST = 100_000;

/** Form of an `Idempotency-Key`. */
export const KEY_FORM = /^[\x21-\x7e]{1,255}$/;

/** Acts that may be asked for with a key. The answers of others hold a secret, or change nothing. */
const REPEATABLE: ReadonlySet<Action> = new Set([
  ...(["backup", "verify", "drill", "copy", "log-pull", "log-verify", "pin", "restore"] as const),
  ...(["erase", "prune", "reconcile", "rebuild", "approval", "alert-test"] as const),
]);

/** Return true if a route takes an `Idempotency-Key`. */
export function takesKey(method: string, need: Need | undefined): boolean {
  return method === "POST" && need?.action !== undefined && REPEATABLE.has(need.action);
}

/**
 * Carry out a POST with an `Idempotency-Key` once: whoever sends it again within a day gets the same answer. A
 * request that was refused has used up no key; one that broke off is not carried out again under the same.
 *
 * @throws NightjarError `REQUEST_INVALID`, `IDEMPOTENCY_CONFLICT`, `IDEMPOTENCY_PENDING`, `CATALOG_FAILED`
 */
export const idempotent = createMiddleware<HttpEnv>(async (c, next) => {
  const given = c.req.header("idempotency-key");
  if (given === undefined || c.req.method !== "POST") return next();
  if (!KEY_FORM.test(given))
    throw new NightjarError(
      "REQUEST_INVALID",
      "Idempotency-Key: must have 1 to 255 visible characters of ASCII.",
    );
  const needs = matchedRoutes(c).map(({ handler }) => needOf(handler));
  if (!needs.some((need) => takesKey(c.req.method, need)))
    throw new NightjarError("REQUEST_INVALID", "This takes no Idempotency-Key.", {
      hint: "Its answer holds a secret, which is stored nowhere, or it starts nothing: send it without the key.",
    });
  const { catalog, deps } = c.env;
  const now = deps.now();
  const key = fingerprint(JSON.stringify([c.get("caller").id, given]));
  const request = fingerprint(JSON.stringify([new URL(c.req.url).pathname, await c.req.text()]));
  const earlier = await claimKey(catalog, { key, request, createdAt: now }, now - REMEMBERED);
  if (earlier !== undefined) return repeated(earlier, request, now);
  await next();
  // After a failure of Nightjar's own nobody knows whether the act was done.
  if (c.res.status >= 500) return undefined;
  if (!c.res.ok) {
    await releaseKey(catalog, key).catch((thrown: unknown) =>
      log.error("key-not-released", thrown),
    );
    return undefined;
  }
  const { status, headers } = c.res;
  const isJson = /^application\/json\b/.test(headers.get("content-type") ?? "");
  const body = isJson ? await c.res.clone().text() : null;
  const kept = body !== null && body.length > LONGEST ? null : body;
  await keepAnswer(catalog, key, { status, body: kept, location: headers.get("location") });
  return undefined;
});

/** Answer a request that was sent before. */
function repeated(
  { request: before, status, body, location, createdAt }: Repeat,
  request: string,
  now: number,
): Response {
  if (before !== request)
    throw new NightjarError(
      "IDEMPOTENCY_CONFLICT",
      "This Idempotency-Key was used for another request.",
    );
  if (status === null && now - createdAt > LONGEST_ACT)
    throw new NightjarError(
      "IDEMPOTENCY_CONFLICT",
      `The same request came at ${iso(createdAt)} and broke off: it may have been carried out.`,
    );
  if (status === null)
    throw new NightjarError(
      "IDEMPOTENCY_PENDING",
      `The same request came at ${iso(createdAt)}, and has no answer yet.`,
    );
  if (body === null)
    throw new NightjarError(
      "IDEMPOTENCY_CONFLICT",
      `The same request was carried out at ${iso(createdAt)}; its answer was not kept.`,
    );
  return new Response(body, {
    status,
    headers: {
      "content-type": "application/json",
      "idempotent-replayed": "true",
      ...(location !== null && { location }),
    },
  });
}
