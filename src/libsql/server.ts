import { Buffer } from "node:buffer";
import { asNightjarError, NightjarError } from "../errors/errors.ts";

/** A libSQL server, and how to be let in. */
export interface Source {
  /** http or https, without a trailing slash; a path is kept, for servers behind a proxy. */
  readonly url: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  /** How long it may send (almost) nothing, ms. */
  readonly stallMs: number;
}

/** A text that may come from the server, without the token that was sent to it. */
export function redact(text: string, { token }: Source): string {
  return token === undefined ? text : text.replaceAll(token, "[token]");
}

/**
 * The headers that every request to a source carries. sqld takes the namespace from
 * `x-namespace-bin` (unpadded base64), else from the first label of the host name.
 */
export function sourceHeaders({ token, namespace }: Source): Record<string, string> {
  const headers: Record<string, string> = {};
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  if (namespace !== undefined)
    headers["x-namespace-bin"] = Buffer.from(namespace).toString("base64").replace(/=+$/, "");
  return headers;
}

/** The source of a configured database. */
export function sourceOf(database: Omit<Source, "token">, token: string | undefined): Source {
  const { url, namespace, stallMs } = database;
  return { url, namespace, stallMs, token };
}

/**
 * Do something that asks the source. What it throws comes without the token: whatever the server said
 * may repeat it.
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
