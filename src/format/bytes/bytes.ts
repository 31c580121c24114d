/** Small helpers over bytes that hold text. */

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Bytes of the smallest buffer that is worth freeing. */
const WORTH_FREEING = 128 * 1024;

/** Return true if the bytes begin with `prefix`; with `from`, those at that index do. */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array, from = 0): boolean {
  if (bytes.length - from < prefix.length) return false;
  for (let at = 0; at < prefix.length; at++) if (bytes[from + at] !== prefix[at]) return false;
  return true;
}

/** Copy the bytes into memory of their own. A Buffer's `slice()` would only be another view of its memory. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Join the pieces into one array. @param length the total in bytes, if it is known already */
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
 * Free the memory of bytes that are not read again. The engine would collect it too, but late, and until
 * then it counts against the 128 MB of a Worker. This frees the whole buffer that the bytes are in. A small
 * buffer is left to the engine, as Node's Buffers share theirs.
 */
export function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= WORTH_FREEING) buffer.transfer(0);
}

/** Yield the chunks of `source`. Each is freed when the next but one is asked for. */
export async function* freeing(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let before: Uint8Array | undefined;
  for await (const chunk of source) {
    yield chunk;
    // Two chunks may share a buffer, which may not be full yet.
    if (before !== undefined && before.buffer !== chunk.buffer) free(before);
    before = chunk;
  }
}

/** Read all that a source yields into one array. The source may reuse the memory of its chunks. */
export async function gather(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    pieces.push(copyOf(piece));
    length += piece.length;
  }
  return concat(pieces, length);
}
