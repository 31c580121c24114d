import { createHash, timingSafeEqual } from "node:crypto";

/** Compare two secrets in a time that shows neither their bytes nor their lengths. */
export function secretsEqual(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Return the bearer token of a request; undefined if it has none. */
export function bearerOf(request: Request): string | undefined {
  const [scheme, given] = (request.headers.get("authorization") ?? "").split(" ", 2);
  return scheme?.toLowerCase() === "bearer" ? (given ?? "") : undefined;
}

/** Return true if a request carries the token as its bearer. */
export function bearerIs(request: Request, token: string): boolean {
  return secretsEqual(bearerOf(request) ?? "", token);
}
