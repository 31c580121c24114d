import { copyOf } from "../format/bytes/bytes.ts";
import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import { fetchFrom } from "./fetch-from.ts";
import { framedBody, type FrameLength } from "./framed-body.ts";
import { refuseEncoding, refuseStatus } from "./refuse.ts";
import type { Source } from "./server.ts";
import { Watchdog } from "./watchdog.ts";

/** A call that the server answered with an error of its own (https://grpc.io/docs/guides/status-codes/). */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const HEADER = 5; // flags, and the length as a big-endian u32
const TRAILERS = 0x80;

const frameLength: FrameLength = (bytes, at, end) =>
  end < at + HEADER ? undefined : HEADER + bigEndian32(bytes, at + 1);

function bigEndian32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 2 ** 24 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

/**
 * Call a method over gRPC-web (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md), and yield the
 * messages of its answer, as many at a time as have arrived. It ends at the trailers, because the body of a
 * stream may never end: sqld leaves it open after them.
 *
 * @throws GrpcError for an error of the method; NightjarError for one of the connection
 */
export async function* grpcCall(
  source: Source,
  deps: Deps,
  method: string,
  message: Uint8Array,
  headers: Record<string, string> = {},
): AsyncIterable<Uint8Array[]> {
  const body = new Uint8Array(HEADER + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, HEADER);

  const watchdog = new Watchdog(source.stallMs);
  try {
    const response = await watchdog.guard("SOURCE_UNREACHABLE", () =>
      fetchFrom(source, deps, `${source.url}/${method}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/grpc-web+proto" },
        body,
        signal: watchdog.signal,
      }),
    );
    if (response.status !== 200 || response.body === null)
      await refuseStatus(source, response, watchdog, `POST /${method}`);
    refuseEncoding(response, `POST /${method}`);
    const type = response.headers.get("content-type") ?? "";
    if (!type.startsWith("application/grpc-web"))
      throw new NightjarError(
        "SOURCE_NOT_FOUND",
        `POST /${method} answered with ${type || "no content type"}, not with gRPC-web.`,
      );
    refuseTrailers((name) => response.headers.get(name)); // an immediate error may come in the headers

    for await (const frames of framedBody(response.body!, watchdog, frameLength, 1)) {
      const trailersAt = frames.findIndex((frame) => (frame[0]! & TRAILERS) !== 0);
      const messages = trailersAt === -1 ? frames : frames.slice(0, trailersAt);
      if (messages.length > 0) yield messages.map((frame) => frame.subarray(HEADER));
      if (trailersAt !== -1) {
        const trailers = parseTrailers(frames[trailersAt]!.subarray(HEADER));
        refuseTrailers((name) => trailers.get(name) ?? null);
        return;
      }
    }
    throw new NightjarError("SOURCE_CUT", `The answer of POST /${method} ended without trailers.`);
  } finally {
    watchdog.end();
  }
}

/** Make a unary call, and return its message. */
export async function grpcUnary(
  source: Source,
  deps: Deps,
  method: string,
  message: Uint8Array,
): Promise<Uint8Array> {
  let answer: Uint8Array | undefined;
  for await (const messages of grpcCall(source, deps, method, message))
    answer ??= copyOf(messages[0]!); // a copy: the buffer is used again
  if (answer === undefined)
    throw new NightjarError("PAGES_INVALID", `POST /${method} answered without a message.`);
  return answer;
}

function parseTrailers(bytes: Uint8Array): Map<string, string> {
  const lines = new TextDecoder().decode(bytes).split("\r\n");
  return new Map(
    lines
      .filter((line) => line.includes(":"))
      .map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
  );
}

/** @throws GrpcError when there is a status other than 0 */
function refuseTrailers(valueOf: (name: string) => string | null): void {
  const status = Number(valueOf("grpc-status") ?? 0);
  if (status === 0) return;
  const message = valueOf("grpc-message") ?? "";
  throw new GrpcError(status, decodePercent(message));
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // it is only shown
  }
}
