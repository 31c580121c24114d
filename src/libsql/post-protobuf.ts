import type { Deps } from "../core/deps.ts";
import { fetchFrom } from "./fetch-from.ts";
import type { Source } from "./server.ts";
import type { Watchdog } from "./watchdog.ts";

/**
 * Send a message of Hrana in Protobuf (https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md).
 *
 * @param path like `/v3-protobuf/pipeline`
 * @throws NightjarError `SOURCE_UNREACHABLE`, or what `watchdog` throws
 */
export function postProtobuf(
  source: Source,
  deps: Deps,
  watchdog: Watchdog,
  path: string,
  body: Uint8Array,
): Promise<Response> {
  return watchdog.guard("SOURCE_UNREACHABLE", () =>
    fetchFrom(source, deps, `${source.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/x-protobuf" },
      body,
      signal: watchdog.signal,
    }),
  );
}
