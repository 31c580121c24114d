import { generateKeyPairSync, sign } from "node:crypto";

/** Claims of a token of a libSQL server. */
interface Claims {
  readonly exp: number;
  /** What it may do: read, or write too. */
  readonly a: "ro" | "rw";
}

/** A key of a libSQL server, and what makes tokens for it. */
export interface TokenKey {
  /** The server's key file. */
  readonly pem: string;
  sign(claims: Claims): string;
}

/** Create a key of a libSQL server that checks tokens (Ed25519 JWT). */
export function makeTokenKey(): TokenKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return {
    pem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    sign(claims) {
      const body = `${part({ alg: "EdDSA", typ: "JWT" })}.${part(claims)}`;
      return `${body}.${sign(null, Buffer.from(body), privateKey).toString("base64url")}`;
    },
  };
}

/**
 * Create a read-only token for a libSQL server that checks tokens, a token that may write, and the server's key
 * file.
 */
export function makeSourceToken(key = makeTokenKey()): {
  pem: string;
  token: string;
  writing: string;
} {
  const exp = 4_000_000_000;
  return { pem: key.pem, token: key.sign({ exp, a: "ro" }), writing: key.sign({ exp, a: "rw" }) };
}
