import { setTimeout as sleep } from "node:timers/promises";
import { reach, refusal } from "../client.ts";

/** How often a download that makes no progress is taken up again, and the pause before, ms. */
const MOST_TRIES = 5;
const PAUSE = 500;

/** A download that is under way. */
export interface Download {
  /** Undefined where the server does not know it before the end. */
  readonly length: number | undefined;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/**
 * Download a link. Where the connection breaks, and the server gives ranges of the same content, the
 * download goes on from there; what is made on the way begins anew with another call only.
 *
 * @throws CliError as Nightjar refuses; while it is read whatever the connection throws
 */
export async function download(url: string, pause = PAUSE): Promise<Download> {
  const first = await request(url);
  const length = Number(first.headers.get("content-length") ?? Number.NaN);
  const etag = first.headers.get("etag");
  const goesOn = first.headers.get("accept-ranges") === "bytes" && etag !== null && length > 0;
  async function* bytes(): AsyncIterable<Uint8Array> {
    let at = 0;
    let tries = 0;
    for (let response = first; ;) {
      try {
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
          at += chunk.length;
          tries = 0;
          yield chunk;
        }
        if (!goesOn || at >= length) return;
        throw new Error(`it ended after ${at} of ${length} bytes`);
      } catch (error) {
        if (!goesOn || at >= length) throw error;
        response = await takeUp(error);
      }
    }

    async function takeUp(error: unknown): Promise<Response> {
      while (tries++ < MOST_TRIES) {
        await sleep(pause * tries);
        const again = await requestAgain(url, { range: `bytes=${at}-`, "if-range": etag! });
        if (again === undefined) continue;
        const range = `bytes ${at}-${length - 1}/${length}`;
        if (again.status === 206 && again.headers.get("content-range") === range) return again;
        await again.body?.cancel();
        break;
      }
      throw error;
    }
  }
  return { length: Number.isNaN(length) ? undefined : length, bytes: bytes() };
}

async function request(url: string, headers: Record<string, string> = {}): Promise<Response> {
  const response = await reach(fetch(url, { headers }));
  if (!response.ok || response.body === null) throw await refusal(response);
  return response;
}

/** Request it once more. Return undefined where that fails. */
async function requestAgain(
  url: string,
  headers: Record<string, string>,
): Promise<Response | undefined> {
  try {
    return await request(url, headers);
  } catch {
    return undefined; // the error that broke the download is told, if no try gets further
  }
}
