import * as v from "valibot";
import { encode } from "../format/bytes/bytes.ts";
import { DURATION_FORM, parseDuration } from "../plan/duration.ts";
import type { ConfigMistake } from "./mistakes.ts";

/** Nightjar's own secrets. */
const OWN: readonly string[] = [
  ...["ADMIN_TOKEN", "SIGNING_KEY", "SIGNING_KEY_PREVIOUS", "FORMER_SIGNING_KEYS", "HEARTBEAT"],
  "METRICS_TOKEN",
];

/**
 * The name of a secret, never the secret.
 *
 * @param example a name as it may look
 * @param reader who would be shown the secret
 */
export const secretName = (example: string, reader: string) =>
  v.pipe(
    v.string(`must be the NAME of a secret, like ${example}`),
    v.regex(
      /^[A-Z][A-Z0-9_]{0,63}$/,
      `must be the NAME of a secret in capitals, like ${example}, never the secret itself: run \`npx wrangler secret put ${example}\` and name it here`,
    ),
    v.check(
      (name) => !OWN.includes(name),
      `must not be Nightjar's own secret: ${reader} would be sent it`,
    ),
  );

/** A variable that is a table of wrangler.toml, or the same as a JSON string. */
export function tableOrJson(
  name: string,
  raw: unknown,
): { value: unknown; mistakes: ConfigMistake[] } {
  if (typeof raw !== "string") return { value: raw, mistakes: [] };
  try {
    return { value: JSON.parse(raw) as unknown, mistakes: [] };
  } catch {
    // The parser's own message quotes the text, which may hold what should have been a secret.
    const mistake = { path: name, fix: "must be valid JSON when it is a string" };
    return { value: undefined, mistakes: [mistake] };
  }
}

/** Bytes of one variable (https://developers.cloudflare.com/workers/platform/limits/#environment-variables). */
const LARGEST_VARIABLE = 5 * 1024;

/** Find out if a variable is larger than Cloudflare takes; `instead` says what to do then. */
export function sizeMistake(
  name: string,
  raw: unknown,
  instead: string,
): ConfigMistake | undefined {
  const bytes = encode(typeof raw === "string" ? raw : JSON.stringify(raw)).length;
  if (bytes <= LARGEST_VARIABLE) return undefined;
  const fix = `has ${bytes} bytes, and Cloudflare takes ${LARGEST_VARIABLE} in one variable: ${instead}`;
  return { path: name, fix };
}

/** A duration like 30d; ms come out. */
export const duration = (unit = DURATION_FORM) =>
  v.pipe(
    v.string(`must be ${unit}`),
    v.check((text) => parseDuration(text) !== undefined, `must be ${unit}`),
    v.transform((text) => parseDuration(text)!),
  );

/** The address of a libSQL server; http or https comes out, without a trailing slash. */
export const serverUrl = v.pipe(
  v.string("must be the database's address, like libsql://shop-acme.turso.io"),
  v.check(
    (text) => /^(libsql|https?):\/\/[^/]/.test(text) && URL.canParse(text),
    "must start with libsql://, https:// or http:// and name a host",
  ),
  v.check((text) => {
    if (!URL.canParse(text)) return true;
    const { username, password } = new URL(text);
    return username + password === "" && !/[?#]/.test(text);
  }, "must hold no credentials, query or fragment: put the token in a secret and name it in `token`"),
  // For the document of the API: what the checks take.
  v.metadata({ pattern: "^(libsql|https?)://[^/?#]+[^?#]*$" }),
  v.transform((text) => text.replace(/^libsql:/, "https:").replace(/\/+$/, "")),
);

/** A namespace of a self-hosted server. */
export const namespaceName = v.pipe(
  v.string("must be the namespace's name"),
  v.regex(/^[A-Za-z0-9._-]{1,255}$/, "must be a namespace's name: letters, digits, . _ -"),
);

/** The address of Turso's platform API (https://docs.turso.tech/api-reference). */
export const PLATFORM_API = "https://api.turso.tech";

/** Plain http only to this machine. */
const LOCAL = /^(127\.0\.0\.1|localhost|\[::1\])$/;

/** Return true if nobody on the way can read what is sent to an address. */
export function isPrivateWay({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && LOCAL.test(hostname));
}

/** Make the mistake of a secret that is named, and is not there. */
export function noSecret(path: string, name: string): ConfigMistake {
  const fix = `there is no secret ${name}: run \`npx wrangler secret put ${name}\`, or put it in .dev.vars for local use`;
  return { path, fix };
}

/** The variables and secrets of the Worker. */
export type Secrets = Readonly<Record<string, unknown>>;

/** Return a secret's value; undefined if there is none. */
export function textIn(env: Secrets, name: string): string | undefined {
  const value = env[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}
