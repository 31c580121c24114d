import type { Transform } from "node:stream";
import { createGzip, createZstdDecompress } from "node:zlib";
import { concat } from "./bytes.ts";
import { ZstdEncoder } from "./zstd-encoder.ts";

type Bytes = AsyncIterable<Uint8Array>;

const CHUNK = 256 * 1024;

/** Upper bound for the end of a flushed frame: the header of an empty block and the checksum, 7 bytes. */
const FRAME_END = 16;
/** Bytes of the source that are held back for the end, where each can advance the output by a few bytes. */
const KEPT = 32;

/**
 * Compress into one zstd frame (RFC 8878) at level 1, with the content checksum, so that a plain `zstd -d`
 * finds a flipped bit. Level 1 is the best use of a Worker's CPU time: on SQL text its output is smaller
 * than that of `gzip -6`, and it is several times as fast. A chunk is valid until the next one is asked
 * for.
 *
 * @param buffer bytes of the output buffer
 */
export async function* zstdCompress(source: Bytes, buffer = CHUNK): Bytes {
  const encoder = new ZstdEncoder(buffer);
  try {
    let kept = new Uint8Array();
    for await (const chunk of source) {
      const most = chunk.length - KEPT;
      if (most <= 0) {
        const both = concat([kept, chunk], kept.length + chunk.length);
        const cut = Math.max(0, both.length - KEPT);
        yield* await encoder.write(both.subarray(0, cut));
        kept = both.slice(cut);
        continue;
      }
      yield* await encoder.write(kept);
      yield* await encoder.write(chunk.subarray(0, most));
      kept = new Uint8Array(chunk.subarray(most));
    }
    yield* await encoder.flush();
    // If the end of the frame might not fit, write single bytes until the output is in the next buffer.
    while (encoder.room < KEPT + FRAME_END && kept.length > 0) {
      yield* await encoder.write(kept.subarray(0, 1));
      yield* await encoder.flush();
      kept = kept.subarray(1);
    }
    yield* await encoder.write(kept);
    yield* await encoder.flush();
    yield* await encoder.endFrame();
  } finally {
    encoder.close();
  }
}

/**
 * Decompress zstd frames. Rejects, as every function here, when the source or the coding fails. Do not free
 * a chunk: zlib may still write to the rest of the buffer that it is in.
 */
export function zstdDecompress(source: Bytes): Bytes {
  return through(source, createZstdDecompress({ chunkSize: CHUNK }));
}

/** Compress into a gzip member (RFC 1952) at level 1. It is made anew for each download, so speed counts. */
export function gzipCompress(source: Bytes): Bytes {
  return through(source, createGzip({ chunkSize: CHUNK, level: 1 }));
}

/**
 * Feed a source through a Node transform. A chunk is fully consumed before the next one is asked for, so a
 * source may reuse its memory.
 */
async function* through(source: Bytes, transform: Transform): Bytes {
  const feeding = feed(source, transform);
  try {
    for await (const chunk of transform) yield chunk as Uint8Array;
  } finally {
    transform.destroy();
    await feeding;
  }
}

/**
 * Write a source into a transform. Never rejects: a failing source destroys the transform, whose reader
 * then throws the error.
 */
async function feed(source: Bytes, transform: Transform): Promise<void> {
  const closed = new Promise<void>((resolve) => transform.once("close", resolve));
  try {
    for await (const chunk of source) {
      const written = new Promise<void>((resolve) => transform.write(chunk, () => resolve()));
      await Promise.race([written, closed]);
      if (transform.destroyed) return;
    }
    transform.end();
  } catch (error) {
    transform.destroy(error as Error);
  }
}
