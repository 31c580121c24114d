import type { Deps } from "../core/deps.ts";
import { log } from "../core/log.ts";
import { isEncoded, readText } from "../core/read-body.ts";
import { type Source, sourceHeaders } from "./server.ts";

/** Pauses before a server that reports a missing namespace is asked again, ms. */
const PAUSES = [50, 250];

/**
 * Send a request to a libSQL server with its credentials, without compression and without following
 * redirects. A body that is compressed nevertheless is returned as it is, and a 404 with only the start of
 * its text.
 *
 * sqld keeps 100 namespaces open at a time (`--max-active-namespaces`), and while it closes one it answers
 * that it does not exist: `with` of libsql-server/src/namespace/store.rs, seen in one request of a hundred
 * with 200 namespaces. So such an answer is not believed until the request was repeated.
 *
 * @throws whatever `deps.fetch` and `source.renew` throw
 */
export async function fetchFrom(
  source: Source,
  deps: Deps,
  url: string,
  init: Omit<RequestInit, "headers" | "redirect"> & { headers?: Record<string, string> },
): Promise<Response> {
  const { renew } = source;
  let token = renew === undefined ? source.token : await renew();
  const send = async (): Promise<Response> => {
    const response = await deps.fetch(url, {
      ...init,
      headers: {
        ...sourceHeaders({ ...source, token }),
        ...init.headers,
        // sqld honours the first encoding that it knows, and its brotli takes minutes.
        "accept-encoding": "identity",
      },
      redirect: "manual",
      encodeResponseBody: "manual",
    });
    const { status } = response;
    log.debug("server-answered", () => ({ path: new URL(url).pathname, status }));
    return response;
  };
  for (let tries = 0; ; tries++) {
    let response = await send();
    if (response.status === 401 && renew !== undefined) {
      // Tokens of a group can be made invalid at any time.
      await response.body?.cancel();
      token = await renew(token);
      response = await send();
    }
    const pause = PAUSES[tries];
    if (pause === undefined) return response;
    const seen = await withoutNamespace(response);
    if (seen !== null) return seen;
    await deps.sleep(pause);
  }
}

/** Return the answer, still to be read; null if it says that there is no such namespace. */
async function withoutNamespace(response: Response): Promise<Response | null> {
  if (response.headers.get("grpc-message") === "NAMESPACE_DOESNT_EXIST") {
    await response.body?.cancel();
    return null;
  }
  if (response.status !== 404 || isEncoded(response)) return response;
  const text = await readText(response);
  const { status, headers } = response;
  return /Namespace `.*` doesn't exist/.test(text) ? null : new Response(text, { status, headers });
}
