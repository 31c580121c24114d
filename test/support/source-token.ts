import { generateKeyPairSync, sign } from "node:crypto";

/** A token, read-only unless told, for a libSQL server that checks tokens (Ed25519 JWT), and the server's key file. */
export function makeSourceToken(access: "ro" | "rw" = "ro"): { pem: string; token: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg: "EdDSA", typ: "JWT" })}.${part({ exp: 4_000_000_000, a: access })}`;
  const signature = sign(null, Buffer.from(body), privateKey).toString("base64url");
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  return { pem, token: `${body}.${signature}` };
}
