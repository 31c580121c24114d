import { NightjarError } from "../errors/errors.ts";
import type { Watchdog } from "./watchdog.ts";

/**
 * Returns the whole length of the frame that starts at `at`, its header included; undefined while the bytes
 * up to `end` do not have the whole header.
 */
export type FrameLength = (bytes: Uint8Array, at: number, end: number) => number | undefined;

/** Bytes of the longest varint of 32 bits. */
const VARINT = 5;

/**
 * The length of a message of Protobuf after its length as a varint
 * (https://protobuf.dev/programming-guides/techniques/#streaming).
 *
 * @throws NightjarError `PAGES_INVALID` for a varint without an end
 */
export const delimitedLength: FrameLength = (bytes, at, end) => {
  let length = 0;
  for (let i = 0; i < VARINT; i++) {
    if (at + i >= end) return undefined;
    const byte = bytes[at + i]!;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return i + 1 + length;
  }
  throw new NightjarError("PAGES_INVALID", "The server sent a message whose length has no end.");
};

const BUFFER = 256 * 1024;
/** Bytes of a frame at most. In these protocols a row is at most 5 MB, a page's frame some 4 KiB. */
const MAX_FRAME = 8 * 1024 * 1024;

/**
 * Yield the frames of a response's body, as many at a time as have arrived whole. Their memory is used
 * again for the next ones.
 *
 * @param atLeast bytes that a read waits for; 1 for a body that may pause for ever after its last frame
 * @throws NightjarError `SOURCE_CUT` when the body breaks off or ends within a frame, `SOURCE_STALLED`,
 *   `PAGES_INVALID` for a frame of an impossible length
 */
export async function* framedBody(
  body: ReadableStream<Uint8Array>,
  watchdog: Watchdog,
  frameLength: FrameLength,
  atLeast: number,
): AsyncIterable<Uint8Array[]> {
  const reader = body.getReader({ mode: "byob" });
  let bytes = new Uint8Array(BUFFER);
  let end = 0;
  for (;;) {
    const { value, done } = await watchdog.guard("SOURCE_CUT", () =>
      reader.readAtLeast(Math.min(atLeast, bytes.length - end), bytes.subarray(end)),
    );
    if (value !== undefined) {
      bytes = new Uint8Array(value.buffer); // reading takes the memory away and gives it back
      end += value.length;
    }
    const frames: Uint8Array[] = [];
    let start = 0;
    let length: number | undefined;
    while ((length = frameLength(bytes, start, end)) !== undefined) {
      if (length > MAX_FRAME)
        throw new NightjarError(
          "PAGES_INVALID",
          `The server announced a frame of ${length} bytes.`,
        );
      if (start + length > end) break;
      frames.push(bytes.subarray(start, start + length));
      start += length;
    }
    if (frames.length > 0) yield frames;
    if (done) {
      if (start < end)
        throw new NightjarError("SOURCE_CUT", "The server's answer ended within a frame.");
      return;
    }
    if (length === undefined && end - start === bytes.length)
      throw new NightjarError("PAGES_INVALID", "The server sent a frame whose header has no end.");
    if (length !== undefined && length > bytes.length) {
      const larger = new Uint8Array(length);
      larger.set(bytes.subarray(start, end));
      bytes = larger;
    } else if (start > 0) bytes.copyWithin(0, start, end);
    end -= start;
  }
}
