import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { copyOf } from "../../format/bytes/bytes.ts";
import type { Page } from "../../format/pages/page.ts";
import { fetchFrom } from "../../libsql/fetch-from.ts";
import { delimitedLength, framedBody } from "../../libsql/framed-body.ts";
import { refuseEncoding, refuseStatus } from "../../libsql/refuse.ts";
import type { Source } from "../../libsql/server.ts";
import { Watchdog } from "../../libsql/watchdog.ts";
import {
  decodeHead,
  decodePage,
  encodeRequest,
  type UpdatesHead,
  type UpdatesRequest,
} from "./messages.ts";

const PATH = "/pull-updates";
/** Bytes that a read waits for, except the last one. */
const READ_AT_LEAST = 64 * 1024;

/** Pages that are decoded at a time: compressed ones can be 200 times as large as what was read. */
const AT_ONCE = 64;

/** An answer whose pages are still to be read. End it in any case. */
export class Updates {
  readonly head: UpdatesHead;
  readonly #first: readonly Uint8Array[];
  readonly #rest: AsyncIterator<Uint8Array[]>;
  readonly #watchdog: Watchdog;

  constructor(
    head: UpdatesHead,
    first: readonly Uint8Array[],
    rest: AsyncIterator<Uint8Array[]>,
    watchdog: Watchdog,
  ) {
    this.head = head;
    this.#first = first;
    this.#rest = rest;
    this.#watchdog = watchdog;
  }

  /**
   * Yield the pages as they come. Their memory is used again for the next ones. A clean end proves nothing:
   * the protocol has no mark of the end, no count and no checksum.
   *
   * @throws NightjarError `SOURCE_CUT`, `SOURCE_STALLED`, `PAGES_INVALID`
   */
  async *pages(): AsyncIterable<readonly Page[]> {
    yield* this.#decoded(this.#first);
    for (;;) {
      const { value: frames, done } = await this.#rest.next();
      if (done === true) return;
      yield* this.#decoded(frames);
    }
  }

  *#decoded(frames: readonly Uint8Array[]): Iterable<readonly Page[]> {
    for (let at = 0; at < frames.length; at += AT_ONCE)
      yield frames.slice(at, at + AT_ONCE).map((frame) => decodePage(frame, this.head));
  }

  /** Drop what has not been read. */
  end(): void {
    this.#watchdog.end();
  }
}

/**
 * Ask for pages (`POST /pull-updates`), and read the head of the answer.
 *
 * @throws NightjarError as PageSource's `pull`
 */
export async function askForUpdates(
  source: Source,
  deps: Deps,
  request: UpdatesRequest,
): Promise<Updates> {
  const watchdog = new Watchdog(source.stallMs);
  try {
    const response = await watchdog.guard("SOURCE_UNREACHABLE", () =>
      fetchFrom(source, deps, `${source.url}${PATH}`, {
        method: "POST",
        headers: { "content-type": "application/protobuf" },
        body: encodeRequest(request),
        signal: watchdog.signal,
      }),
    );
    if (response.status !== 200 || response.body === null)
      await refuseStatus(source, response, watchdog, `POST ${PATH}`);
    refuseEncoding(response, `POST ${PATH}`);
    const frames = framedBody(response.body!, watchdog, delimitedLength, READ_AT_LEAST);
    const rest = frames[Symbol.asyncIterator]();
    const { value: first } = (await rest.next()) as { value: Uint8Array[] | undefined };
    if (first === undefined)
      throw new NightjarError("SOURCE_CUT", `The answer of POST ${PATH} ended before its head.`);
    const [head, ...pages] = first;
    return new Updates(decodeHead(copyOf(head!)), pages, rest, watchdog);
  } catch (thrown) {
    watchdog.end();
    throw thrown;
  }
}
