import { Buffer } from "node:buffer";
import { asNightjarError, NightjarError } from "../errors/errors.ts";

/** A libSQL server and its credentials. */
export interface Source {
  /** http or https, without a trailing slash; a path is kept, for servers behind a proxy. */
  readonly url: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  /** The time for which it may send (almost) nothing, ms. */
  readonly stallMs: number;
}

/** Remove the token from a text that may come from the server it was sent to. */
export function redact(text: string, { token }: Source): string {
  return token === undefined ? text : text.replaceAll(token, "[token]");
}

/**
 * Return the headers of every request to a source. sqld takes the namespace from `x-namespace-bin`
 * (unpadded base64), else from the first label of the host name.
 */
export function sourceHeaders({ token, namespace }: Source): Record<string, string> {
  const headers: Record<string, string> = {};
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  if (namespace !== undefined)
    headers["x-namespace-bin"] = Buffer.from(namespace).toString("base64").replace(/=+$/, "");
  return headers;
}

/** Make the source of a configured database. */
export function sourceOf(database: Omit<Source, "token">, token: string | undefined): Source {
  const { url, namespace, stallMs } = database;
  return { url, namespace, stallMs, token };
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
