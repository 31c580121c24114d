import { Decompress } from "fzstd";

/** Bytes that are decompressed at once. Four of them can become 128 KiB. */
const AT_ONCE = 512;

/**
 * Decompress zstd frames, without their checksums: the caller compares the hash of what comes out. Node has
 * its own decompressor only since 22.15.
 *
 * @throws Error where the bytes are no zstd, or end before their frame does
 */
export async function* zstdDecompress(
  source: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  let chunks: Uint8Array[] = [];
  const take = (): Uint8Array[] => {
    const taken = chunks;
    chunks = [];
    return taken;
  };
  // A chunk is memory that the decompressor does not use again.
  const decompress = new Decompress((chunk) => void chunks.push(chunk));
  for await (const bytes of source) {
    for (let from = 0; from < bytes.length; from += AT_ONCE) {
      decompress.push(bytes.slice(from, from + AT_ONCE));
      yield* take();
    }
  }
  decompress.push(new Uint8Array(), true);
  yield* take();
}
