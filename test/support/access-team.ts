/**
 * A stand-in for a team of Cloudflare Access: it signs as Access does (RS256, `cf-access-jwt-assertion`), and
 * publishes its keys as `/cdn-cgi/access/certs` does.
 */
export class AccessTeam {
  readonly issuer: string;
  #keys: { kid: string; pair: CryptoKeyPair }[] = [];
  /** How often its keys were asked for. */
  asked = 0;

  constructor(team: string) {
    this.issuer = `https://${team}.cloudflareaccess.com`;
  }

  /** Make a new key, with which it signs from now on. Older ones stay published unless `alone`. */
  async rotate(alone = false): Promise<void> {
    const algorithm = {
      ...{ name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, hash: "SHA-256" },
      publicExponent: new Uint8Array([1, 0, 1]),
    };
    const pair = (await crypto.subtle.generateKey(algorithm, true, [
      "sign",
      "verify",
    ])) as CryptoKeyPair;
    if (alone) this.#keys = [];
    this.#keys.push({ kid: crypto.randomUUID(), pair });
  }

  /** Answer a request for its keys. */
  async answer(url: string): Promise<Response> {
    if (url !== `${this.issuer}/cdn-cgi/access/certs`) throw new Error(`nobody is at ${url}`);
    this.asked++;
    const keys = await Promise.all(
      this.#keys.map(async ({ kid, pair }) => {
        const key = (await crypto.subtle.exportKey("jwk", pair.publicKey)) as JsonWebKey;
        return { ...key, kid, alg: "RS256", use: "sig" };
      }),
    );
    return Response.json({ keys, public_certs: [] });
  }

  /** Make the token of a person, with other claims if given. */
  async token(email: string | undefined, audience: string, claims: object = {}): Promise<string> {
    const { kid, pair } = this.#keys.at(-1)!;
    const now = Math.floor(Date.now() / 1000);
    const part = (value: object) => base64url(new TextEncoder().encode(JSON.stringify(value)));
    const payload = {
      ...{
        aud: [audience],
        email,
        iss: this.issuer,
        iat: now,
        nbf: now,
        exp: now + 3600,
        type: "app",
      },
      ...claims,
    };
    const text = `${part({ alg: "RS256", kid, typ: "JWT" })}.${part(payload)}`;
    const signature = await crypto.subtle.sign(
      "RSASSA-PKCS1-v1_5",
      pair.privateKey,
      new TextEncoder().encode(text),
    );
    return `${text}.${base64url(new Uint8Array(signature))}`;
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
