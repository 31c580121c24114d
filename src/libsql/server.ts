import { Buffer } from "node:buffer";
import { asNightjarError, NightjarError } from "../errors/errors.ts";

/** A libSQL server and its credentials. */
export interface Source {
  /** http or https, without a trailing slash; a path is kept, for servers behind a proxy. */
  readonly url: string;
  readonly token: string | undefined;
  /**
   * Replaces a token that ends soon, or that the server has `refused`, and returns the one to send; absent where
   * there is only one.
   */
  readonly renew?: (refused?: string) => Promise<string>;
  /** All tokens that `renew` has returned, here and for other sources of the invocation. */
  readonly renewed?: ReadonlySet<string>;
  /** The customer's key of a database that Turso Cloud keeps encrypted, in base64. */
  readonly encryptionKey?: string | undefined;
  readonly namespace: string | undefined;
  /** The time for which it may send (almost) nothing, ms. */
  readonly stallMs: number;
}

/** Remove the tokens and the key from a text that may come from the server that they were sent to. */
export function redact(text: string, { token, renewed, encryptionKey }: Source): string {
  const tokens = [...(token === undefined ? [] : [token]), ...(renewed ?? [])];
  const plain = tokens.reduce((shown, one) => shown.replaceAll(one, "[token]"), text);
  return encryptionKey === undefined ? plain : plain.replaceAll(encryptionKey, "[key]");
}

/**
 * Return the headers of every request to a source. sqld takes the namespace from `x-namespace-bin`
 * (unpadded base64), else from the first label of the host name.
 */
export function sourceHeaders({ token, namespace, encryptionKey }: Source): Record<string, string> {
  const headers: Record<string, string> = {};
  if (encryptionKey !== undefined) headers["x-turso-encryption-key"] = encryptionKey;
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  if (namespace !== undefined)
    headers["x-namespace-bin"] = Buffer.from(namespace).toString("base64").replace(/=+$/, "");
  return headers;
}

/** Where the secrets of configured databases are. */
interface Secrets<Database> {
  token(database: Database): string | undefined;
  encryptionKey(database: Database): string | undefined;
}

/** Make the source of a configured database. @throws whatever `secrets` throws */
export function sourceOf<Database extends Omit<Source, "token" | "encryptionKey">>(
  database: Database,
  secrets: Secrets<Database>,
): Source {
  const { url, namespace, stallMs } = database;
  const encryptionKey = secrets.encryptionKey(database);
  return { url, namespace, stallMs, token: secrets.token(database), encryptionKey };
}

/**
 * Run an action that asks the source. Its errors come without the token, which the server's words may
 * repeat.
 *
 * @throws NightjarError
 */
export async function withoutToken<T>(source: Source, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    const { code, message, hint } = asNightjarError(thrown);
    throw new NightjarError(code, redact(message, source), { hint, cause: thrown });
  }
}
