/** What a server's token says of itself. */
export interface TokenClaims {
  /** When it expires, ms since the epoch: the `exp` of RFC 7519, section 4.1.4. */
  readonly expiresAt: number | undefined;
  /** True if it may only read, as sqld and Turso read `a` and `p`; undefined if it does not tell. */
  readonly readOnly: boolean | undefined;
}

const NONE: TokenClaims = { expiresAt: undefined, readOnly: undefined };

/**
 * Read what a JSON Web Token says of itself; nothing of another token, which is opaque. The signature is not
 * checked: the server does.
 */
export function claimsOf(token: string | undefined): TokenClaims {
  const payload = token?.split(".")[1];
  if (payload === undefined) return NONE;
  try {
    const text = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const { exp, a, p } = JSON.parse(text) as { exp?: unknown; a?: unknown; p?: unknown };
    return {
      expiresAt: typeof exp === "number" && Number.isFinite(exp) ? exp * 1000 : undefined,
      readOnly: mayOnlyRead(a, p),
    };
  } catch {
    return NONE;
  }
}

function mayOnlyRead(access: unknown, permissions: unknown): boolean | undefined {
  if (access === "ro") return true;
  if (access === "rw") return false;
  if (typeof permissions !== "object" || permissions === null) return undefined;
  return !("rw" in permissions) && "ro" in permissions;
}
