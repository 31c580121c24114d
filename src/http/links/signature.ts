import { createHmac } from "node:crypto";
import type { Config } from "../../config/load.ts";
import { secretsEqual } from "../../core/secrets-equal.ts";

/** The purpose of a signature. No signature of one purpose holds for another. */
type Purpose = "link" | "badge" | "health" | "session";

/** HMAC-SHA-256 over a purpose and its fields, in base64url. Fields must not hold line breaks. */
export function sign(key: string, purpose: Purpose, fields: readonly string[]): string {
  const message = ["nightjar", purpose, ...fields].join("\n");
  return createHmac("sha256", key).update(message).digest("base64url");
}

/** Return true if one of the keys has made the signature, compared in constant time. */
export function signatureHolds(
  signature: string,
  keys: readonly string[],
  purpose: Purpose,
  fields: readonly string[],
): boolean {
  return keys.some((key) => secretsEqual(signature, sign(key, purpose, fields)));
}

/** The keys whose signatures hold: today's, and the one before while it is configured. */
export function signingKeys({ signingKey, previousSigningKey }: Config): readonly string[] {
  return previousSigningKey === undefined ? [signingKey] : [signingKey, previousSigningKey];
}
