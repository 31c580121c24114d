import type { DatabaseConfig } from "./database.ts";
import { identityFix } from "./encryption.ts";
import { noSecret, type Secrets, textIn } from "./fields.ts";
import type { ConfigMistake } from "./mistakes.ts";

/** Characters that a secret of Nightjar's own needs, so that nobody finds it by trying. */
export const SHORTEST_SECRET = 24;
/** A key of 16 or 32 bytes in base64. */
const ENCRYPTION_KEY = /^[A-Za-z0-9+/_-]{22,44}={0,2}$/;

/** Find out if a secret of Nightjar's own is missing or too short. */
export function ownSecretMistakes(path: string, name: string, env: Secrets): ConfigMistake[] {
  const value = textIn(env, name);
  if (value === undefined) return [noSecret(path, name)];
  const fix = lengthFix(name, value);
  return fix === undefined ? [] : [{ path, fix }];
}

function lengthFix(_: string, { length }: string): string | undefined {
  if (length >= SHORTEST_SECRET) return undefined;
  return `has ${length} characters, and needs ${SHORTEST_SECRET}: make one with \`openssl rand -base64 32\``;
}

function encryptionKeyFix(name: string, value: string): string | undefined {
  return ENCRYPTION_KEY.test(value) ? undefined : `${name} must be the database's key in base64`;
}

/** The keys of an entry that name secrets which the database cannot be read, stored or masked without. */
type SecretNames = Pick<
  DatabaseConfig,
  "tokenSecret" | "encryptionKeySecret" | "identitySecret" | "sanitize"
>;

/** A secret that an entry names. */
interface NamedSecret {
  /** The path of the key that names it. */
  readonly path: string;
  readonly name: string;
  /** Says what is wrong with its value, undefined for nothing; never quotes it. */
  readonly fixOf: (name: string, value: string) => string | undefined;
}

/** List the secrets that the entry at `path` names. */
export function namedSecrets(path: string, entry: SecretNames): NamedSecret[] {
  return [
    { key: "token", name: entry.tokenSecret, fixOf: () => undefined },
    { key: "encryptionKey", name: entry.encryptionKeySecret, fixOf: encryptionKeyFix },
    { key: "sanitize.key", name: entry.sanitize?.keySecret, fixOf: lengthFix },
    { key: "identity", name: entry.identitySecret, fixOf: identityFix },
  ].flatMap(({ key, name, fixOf }) =>
    name === undefined ? [] : [{ path: `${path}.${key}`, name, fixOf }],
  );
}

/** Find what is wrong with the secrets that the entry at `path` names. */
export function secretMistakes(path: string, entry: SecretNames, env: Secrets): ConfigMistake[] {
  return namedSecrets(path, entry).flatMap(({ path: at, name, fixOf }) => {
    const value = textIn(env, name)?.trim() ?? "";
    if (value === "") return [noSecret(at, name)];
    const fix = fixOf(name, value);
    return fix === undefined ? [] : [{ path: at, fix }];
  });
}
