import type { Deps } from "../deps.ts";
import { messageOf, NightjarError } from "../errors.ts";
import { type Source, sourceHeaders } from "./server.ts";

/**
 * How much is asked for at a time. Workers hand a body over in pieces of 4 KiB unless a reader waits
 * for more; a source that cannot fill this within its stall time counts as stalled.
 */
const READ_AT_LEAST = 128 * 1024;
const READ_BUFFER = 1024 * 1024;

/**
 * The server's SQL dump (`GET /dump`), as it comes: one read transaction, all tables, rowids kept.
 * Ending cleanly proves nothing yet; only the dump's own last line does.
 *
 * @throws NightjarError `SOURCE_UNREACHABLE`, `SOURCE_UNAUTHORIZED`, `SOURCE_NOT_FOUND`,
 * `SOURCE_ERROR`, `DUMP_INVALID` for a refusal, `SOURCE_STALLED` or `SOURCE_CUT` later on
 */
export async function* readDump(source: Source, deps: Deps): AsyncIterable<Uint8Array> {
  const stop = new AbortController();
  const watchdog = new Watchdog(source.stallMs, stop);
  try {
    const response = await watchdog.guard("its answer", "SOURCE_UNREACHABLE", () =>
      deps.fetch(`${source.url}/dump?preserve_row_ids=true`, {
        // sqld honours the first encoding that it knows, and its brotli takes minutes.
        headers: { ...sourceHeaders(source), "accept-encoding": "identity" },
        redirect: "manual",
        signal: stop.signal,
      }),
    );
    await refuse(response, source, watchdog);

    const reader = response.body!.getReader({ mode: "byob" });
    for (;;) {
      const { value, done } = await watchdog.guard("more of the dump", "SOURCE_CUT", () =>
        reader.readAtLeast(READ_AT_LEAST, new Uint8Array(READ_BUFFER)),
      );
      if (value !== undefined && value.length > 0) yield value;
      if (done) return;
    }
  } finally {
    watchdog.end();
    stop.abort(); // frees the server's read transaction when the reader leaves early
  }
}

/** Everything but a 200 that can be a dump is an error. */
async function refuse(response: Response, source: Source, watchdog: Watchdog): Promise<void> {
  const { status } = response;
  if (status === 200 && response.body !== null) {
    const encoding = response.headers.get("content-encoding");
    if (encoding === null || encoding === "identity") return;
    throw new NightjarError(
      "DUMP_INVALID",
      `The server was asked for a plain dump and sent it with content-encoding ${encoding}.`,
    );
  }
  const said = await watchdog
    .guard("its error message", "SOURCE_CUT", () => response.text())
    .then((text) => excerpt(text, source.token), () => "");
  const message = `GET /dump answered ${status}${said === "" ? "" : `: ${said}`}`;
  if (status === 401 || status === 403) throw new NightjarError("SOURCE_UNAUTHORIZED", message);
  if (status === 404 || status === 400) throw new NightjarError("SOURCE_NOT_FOUND", message);
  if (status < 400) throw new NightjarError("DUMP_INVALID", message);
  throw new NightjarError("SOURCE_ERROR", message);
}

/** The start of an error page, on one line; a server that repeats the token does not spread it. */
function excerpt(text: string, token: string | undefined): string {
  const safe = token === undefined ? text : text.replaceAll(token, "[token]");
  return safe.replaceAll(/\s+/g, " ").trim().slice(0, 200);
}

/** Aborts when one wait lasts too long, and tells a stall from a broken connection. */
class Watchdog {
  readonly #ms: number;
  readonly #stop: AbortController;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number, stop: AbortController) {
    this.#ms = ms;
    this.#stop = stop;
  }

  async guard<T>(
    what: string,
    broken: "SOURCE_UNREACHABLE" | "SOURCE_CUT",
    wait: () => Promise<T>,
  ): Promise<T> {
    const stalled = new Promise<never>((_, reject) => {
      this.#timer = setTimeout(() => {
        const seconds = this.#ms / 1000;
        reject(
          new NightjarError("SOURCE_STALLED", `The server kept ${what} back for ${seconds} s.`),
        );
        this.#stop.abort();
      }, this.#ms);
    });
    try {
      return await Promise.race([wait(), stalled]);
    } catch (thrown) {
      if (thrown instanceof NightjarError) throw thrown;
      const lead = broken === "SOURCE_CUT" ? "The connection broke" : "No connection";
      throw new NightjarError(broken, `${lead} while waiting for ${what}: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    } finally {
      this.end();
    }
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
