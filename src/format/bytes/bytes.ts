/** Small helpers over bytes that hold text. */

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Bytes. */
const WORTH_FREEING = 128 * 1024;

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let at = 0; at < prefix.length; at++) if (bytes[at] !== prefix[at]) return false;
  return true;
}

/** The bytes in memory of their own. A Buffer's `slice()` would only be another view of its memory. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** The pieces in one array. @param length bytes in all, where it is known already */
export function concat(
  pieces: readonly Uint8Array[],
  length = pieces.reduce((sum, piece) => sum + piece.length, 0),
): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * Free the memory of bytes that nobody reads again. The engine would collect it too, but late: until then
 * it counts against the 128 MB of a Worker. The whole buffer goes that the bytes lie in; a small one is
 * left to the engine, as Node's Buffers share theirs.
 */
export function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= WORTH_FREEING) buffer.transfer(0);
}

/** The chunks of `source`, each of which is freed when the next but one is asked for. */
export async function* freeing(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let before: Uint8Array | undefined;
  for await (const chunk of source) {
    yield chunk;
    // Two chunks may share a buffer, which may not be full yet.
    if (before !== undefined && before.buffer !== chunk.buffer) free(before);
    before = chunk;
  }
}

/** All that a source yields, in one array; its chunks may use their memory again. */
export async function gather(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    pieces.push(copyOf(piece));
    length += piece.length;
  }
  return concat(pieces, length);
}
