import { generateKeyPairSync, sign } from "node:crypto";

/**
 * Create a read-only token for a libSQL server that checks tokens (Ed25519 JWT), a token that may write, and
 * the server's key file.
 */
export function makeSourceToken(): { pem: string; token: string; writing: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = (a: "ro" | "rw") => {
    const body = `${part({ alg: "EdDSA", typ: "JWT" })}.${part({ exp: 4_000_000_000, a })}`;
    return `${body}.${sign(null, Buffer.from(body), privateKey).toString("base64url")}`;
  };
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  return { pem, token: signed("ro"), writing: signed("rw") };
}
