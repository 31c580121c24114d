import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { decode } from "../../format/bytes/bytes.ts";
import { isEncoded } from "../../core/read-body.ts";
import { fetchFrom } from "../../libsql/fetch-from.ts";
import { refusalOf, refuseEncoding } from "../../libsql/refuse.ts";
import type { Source } from "../../libsql/server.ts";
import { Watchdog } from "../../libsql/watchdog.ts";

/** Bytes that must arrive in the source's `stallMs`: a server that sends less has stalled. */
const READ_AT_LEAST = 16 * 1024;
/** Bytes that are read of an answer that is text, at most. */
const TEXT = 16 * 1024;

/** The server's answer to one request. It must be ended. */
export class Answer {
  readonly status: number;
  /** Bytes of the body, if the server states them in advance. */
  readonly length: number | null;
  readonly #reader: ReadableStreamBYOBReader | undefined;
  readonly #watchdog: Watchdog;

  constructor(response: Response, watchdog: Watchdog) {
    this.status = response.status;
    const length = response.headers.get("content-length");
    this.length = length === null ? null : Number(length);
    this.#reader = response.body?.getReader({ mode: "byob" });
    this.#watchdog = watchdog;
  }

  /**
   * Read the next bytes of the body into `buffer`'s memory, which moves to the result. They are fewer than
   * fit only if the body has ended.
   *
   * @throws NightjarError `SOURCE_STALLED`, `SOURCE_CUT`
   */
  async read(buffer: ArrayBuffer): Promise<Uint8Array<ArrayBuffer>> {
    let memory = buffer;
    let filled = 0;
    while (filled < memory.byteLength) {
      const room = new Uint8Array(memory, filled);
      const got = await this.#watchdog.guard("SOURCE_CUT", async () =>
        this.#reader?.readAtLeast(Math.min(READ_AT_LEAST, room.length), room),
      );
      if (got?.value === undefined) break;
      memory = got.value.buffer; // reading takes the memory away and gives it back
      filled += got.value.length;
      if (got.done) break;
    }
    return new Uint8Array(memory, 0, filled);
  }

  /**
   * Return the body's start as text.
   *
   * @throws NightjarError `SOURCE_STALLED`, `SOURCE_CUT`
   */
  async text(): Promise<string> {
    return decode(await this.read(new ArrayBuffer(TEXT)));
  }

  /** Drop what has not been read. */
  end(): void {
    this.#watchdog.end();
  }
}

/**
 * GET `path` from the source. Follow one redirect at most, as Turso's clients do.
 *
 * @throws NightjarError `SOURCE_UNREACHABLE`, `SOURCE_STALLED`, `SOURCE_CUT`; `PAGES_INVALID` for a
 * redirect that is not followed and for a compressed answer
 */
export async function getFrom(source: Source, deps: Deps, path: string): Promise<Answer> {
  const watchdog = new Watchdog(source.stallMs);
  const get = (url: string) =>
    watchdog.guard("SOURCE_UNREACHABLE", () =>
      fetchFrom(source, deps, url, { signal: watchdog.signal }),
    );
  try {
    const url = `${source.url}${path}`;
    let response = await get(url);
    if (isRedirect(response)) {
      const next = redirectTarget(url, response.headers.get("location"));
      if (next === null)
        throw new NightjarError(
          "PAGES_INVALID",
          `GET ${path} was redirected to where the token must not go.`,
        );
      await response.body?.cancel();
      response = await get(next);
    }
    if (isRedirect(response))
      throw new NightjarError("PAGES_INVALID", `GET ${path} was redirected twice.`);
    if (!response.ok && isEncoded(response))
      throw refusalOf(source, `GET ${path}`, response.status, "");
    refuseEncoding(response, `GET ${path}`);
    return new Answer(response, watchdog);
  } catch (thrown) {
    watchdog.end();
    throw thrown;
  }
}

/** Make the error for an answer that is neither frames nor a file, as for a dump. */
export async function refusal(
  source: Source,
  path: string,
  answer: Answer,
): Promise<NightjarError> {
  return refusalOf(source, `GET ${path}`, answer.status, await answer.text().catch(() => ""));
}

function isRedirect({ status }: Response): boolean {
  return status >= 300 && status < 400 && status !== 304;
}

/**
 * Return the target of a redirect, or null if it must not be followed. The token goes along, so the target
 * must have the same scheme and port. It must be the same host, one below it, or, as this is Turso Cloud's
 * own protocol, a host under turso.io like the first one. Other hosts of one site count as strangers: to
 * recognize them would take the list of public suffixes.
 */
export function redirectTarget(from: string, location: string | null): string | null {
  if (location === null || !URL.canParse(location, from)) return null;
  const old = new URL(from);
  const next = new URL(location, from);
  if (next.protocol !== old.protocol || next.port !== old.port) return null;
  const vendor = ".turso.io";
  const near =
    next.hostname === old.hostname ||
    next.hostname.endsWith(`.${old.hostname}`) ||
    (next.hostname.endsWith(vendor) && old.hostname.endsWith(vendor));
  return near ? next.href : null;
}
