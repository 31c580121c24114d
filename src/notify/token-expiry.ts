/**
 * Return when a token expires, ms: the `exp` of a JSON Web Token (RFC 7519, section 4.1.4). Undefined for a
 * token without one, and for one that is no JSON Web Token. The signature is not checked: the server does.
 */
export function tokenExpiry(token: string | undefined): number | undefined {
  const payload = token?.split(".")[1];
  if (payload === undefined) return undefined;
  try {
    const text = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const { exp } = JSON.parse(text) as { exp?: unknown };
    return typeof exp === "number" && Number.isFinite(exp) ? exp * 1000 : undefined;
  } catch {
    return undefined; // an opaque token, which does not tell
  }
}
