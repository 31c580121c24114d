/** A reader that takes nothing for so long loses its download, ms. */
const IDLE = 60_000;

/** Bytes that the reader has taken so far. */
export interface Sent {
  bytes: number;
}

/**
 * Send bytes as fast as the reader takes them. One that takes nothing for a minute loses them.
 *
 * @param sent is counted up as the reader takes them
 * @throws what `bytes` throws, and an error where the reader leaves
 */
export async function send(
  bytes: AsyncIterable<Uint8Array>,
  writable: WritableStream<Uint8Array>,
  sent: Sent,
): Promise<void> {
  const writer = writable.getWriter();
  let idle = false;
  let waiting = false;
  const watch = setInterval(() => {
    // While nobody waits for the reader it cannot be late: the next bytes are being made.
    if (waiting && idle)
      void writer.abort(new Error(`the reader took nothing for ${IDLE / 1000} s`));
    idle = waiting;
  }, IDLE);
  try {
    for await (const chunk of bytes) {
      waiting = true;
      await writer.write(chunk);
      sent.bytes += chunk.length;
      waiting = idle = false;
    }
    waiting = true;
    await writer.close();
  } catch (thrown) {
    await writer.abort(thrown).catch(() => undefined); // the reader may have left
    throw thrown;
  } finally {
    clearInterval(watch);
  }
}

/** Bytes that one read fills; native streams give 4 KiB where they are not asked for more. */
const READ = 256 * 1024;

/** Yield a stored stream in large pieces. The memory of a piece is used again for the next one. */
export async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(READ);
  try {
    for (;;) {
      const { value, done } = await reader.readAtLeast(READ, new Uint8Array(buffer));
      if (value !== undefined && value.length > 0) {
        yield value;
        buffer = value.buffer;
      }
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // it has ended, or nobody reads it any more
  }
}
