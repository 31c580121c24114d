import { secretsEqual } from "../../core/secrets-equal.ts";

/** Return the bearer token of a request; undefined if it has none. */
export function bearerOf(request: Request): string | undefined {
  const [scheme, given] = (request.headers.get("authorization") ?? "").split(" ", 2);
  return scheme?.toLowerCase() === "bearer" ? (given ?? "") : undefined;
}

/** Return true if a request carries the token as its bearer. */
export function bearerIs(request: Request, token: string): boolean {
  return secretsEqual(bearerOf(request) ?? "", token);
}
