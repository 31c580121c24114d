import { constants, zstdDecompressSync } from "node:zlib";

/** The window that any decoder has to have, 8 MiB (RFC 8878, 3.1.1.1.2), as a power of 2. */
const WINDOW = 23;

/**
 * Decompress a zstd frame with few bytes of content. It takes no more memory than that and a window of
 * 8 MiB, whatever the frame says.
 *
 * @param most bytes of content at most: fewer than 40,960, as workerd refuses multiples of that
 * @throws Error for more content, for a frame that is cut or damaged, and for one that needs a dictionary
 */
export function zstdBlock(frame: Uint8Array, most: number): Uint8Array {
  const params = { [constants.ZSTD_d_windowLogMax]: WINDOW };
  return zstdDecompressSync(frame, { maxOutputLength: most, params });
}
