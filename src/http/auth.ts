import { createHash, timingSafeEqual } from "node:crypto";
import { createMiddleware } from "hono/factory";
import { NightjarError } from "../errors/errors.ts";
import type { HttpEnv } from "./hono-env.ts";

/** Compare two secrets in a time that shows neither their bytes nor their lengths. */
export function secretsEqual(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Return true if a request carries the token as its bearer. */
export function bearerIs(request: Request, token: string): boolean {
  const header = request.headers.get("authorization") ?? "";
  const [scheme, given] = header.split(" ", 2);
  return scheme?.toLowerCase() === "bearer" && secretsEqual(given ?? "", token);
}

/** Lets only the holder of ADMIN_TOKEN through. */
export const requireAdmin = createMiddleware<HttpEnv>(async (c, next) => {
  if (!bearerIs(c.req.raw, c.env.config.adminToken))
    throw new NightjarError("UNAUTHORIZED", "This needs a valid bearer token.");
  await next();
});
