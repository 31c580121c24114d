import { createHash } from "node:crypto";
import { type Deps, randomId } from "../../core/deps.ts";

/** Random bytes of a token's secret part. */
const SECRET = 32;
const TOKEN = /^nj_([0-9a-z]{12})_[\w-]{43}$/;

/** Make a token: `nj_<id>_<secret>`. Only its hash is stored. */
export function makeToken(deps: Deps): { id: string; token: string; hash: string } {
  const id = randomId(deps);
  const token = `nj_${id}_${Buffer.from(deps.randomBytes(SECRET)).toString("base64url")}`;
  return { id, token, hash: hashOfToken(token) };
}

/** Return the id in a text that has a token's form; undefined for any other text. */
export function tokenId(text: string): string | undefined {
  return TOKEN.exec(text)?.[1];
}

/** SHA-256, hexadecimal. A token is random, so nobody finds it by its hash. */
export function hashOfToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
