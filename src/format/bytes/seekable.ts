import { createZstdDecompress } from "node:zlib";
import { NightjarError } from "../../errors/errors.ts";
import { concat } from "./bytes.ts";
import type { Page } from "../pages/page.ts";
import { ZstdEncoder } from "./zstd-encoder.ts";

/**
 * The zstd seekable format (contrib/seekable_format/zstd_seekable_compression_format.md of facebook/zstd):
 * independent frames, then a skippable frame with the size of each. Any zstd reads it as a whole. With the
 * table at its end, a span of the content can be read without the rest.
 */
const SKIPPABLE_MAGIC = 0x184d2a5e;
const SEEKABLE_MAGIC = 0x8f92eab1;
const ENTRY = 8;
const SKIPPABLE_HEADER = 8;
const FOOTER = 9;

/** Bytes of content in each frame except the last: 64 pages of the usual size. */
export const FRAME_CONTENT = 256 * 1024;

/** Upper bound for a compressed frame, bytes: zstd's own bound and some more. */
const LONGEST_FRAME = FRAME_CONTENT + 4096;
const OUTPUT_BUFFER = 2 * 1024 * 1024;

/** Return the length of the seek table at the end of a file of `contentBytes`, in bytes. */
export function seekTableBytes(contentBytes: number): number {
  return SKIPPABLE_HEADER + Math.ceil(contentBytes / FRAME_CONTENT) * ENTRY + FOOTER;
}

/**
 * Compress pages into frames of `FRAME_CONTENT` bytes of content, each with its own checksum, and the seek
 * table. Page sizes divide `FRAME_CONTENT`. A chunk is valid until the next one is asked for. Its memory
 * may then be freed, so a reader that reads ahead must copy it.
 *
 * @param watch is called with the content of each frame before it is compressed
 */
export async function* seekableCompress(
  pages: AsyncIterable<readonly Page[]>,
  watch: (content: Uint8Array) => void | Promise<void>,
): AsyncIterable<Uint8Array> {
  const compressor = new FrameCompressor();
  const table: { compressed: number; content: number }[] = [];
  const content = new Uint8Array(FRAME_CONTENT);
  let filled = 0;
  const frame = async (): Promise<Uint8Array[]> => {
    const part = content.subarray(0, filled);
    await watch(part);
    const pieces = await compressor.frame(part);
    table.push({ compressed: lengthOf(pieces), content: filled });
    filled = 0;
    return pieces;
  };
  try {
    for await (const batch of pages)
      for (const { data } of batch) {
        content.set(data, filled);
        filled += data.length;
        if (filled === FRAME_CONTENT) yield* await frame();
      }
    if (filled > 0) yield* await frame();
  } finally {
    compressor.end();
  }
  yield encodeSeekTable(table);
}

/** One compressor for many frames. It is replaced before a frame might not fit into its output buffer. */
class FrameCompressor {
  #encoder = new ZstdEncoder(OUTPUT_BUFFER);

  async frame(content: Uint8Array): Promise<Uint8Array[]> {
    if (this.#encoder.room < LONGEST_FRAME) {
      this.end();
      this.#encoder = new ZstdEncoder(OUTPUT_BUFFER);
    }
    const pieces = await this.#encoder.write(content);
    return [...pieces, ...(await this.#encoder.endFrame())];
  }

  end(): void {
    this.#encoder.close();
  }
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

function encodeSeekTable(table: readonly { compressed: number; content: number }[]): Uint8Array {
  const bytes = new Uint8Array(SKIPPABLE_HEADER + table.length * ENTRY + FOOTER);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SKIPPABLE_MAGIC, true);
  view.setUint32(4, bytes.length - SKIPPABLE_HEADER, true);
  let at = SKIPPABLE_HEADER;
  for (const { compressed, content } of table) {
    view.setUint32(at, compressed, true);
    view.setUint32(at + 4, content, true);
    at += ENTRY;
  }
  view.setUint32(at, table.length, true);
  view.setUint8(at + 4, 0); // no checksums of its own: the frames have theirs
  view.setUint32(at + 5, SEEKABLE_MAGIC, true);
  return bytes;
}

/** The positions of the frames in a file. */
export interface SeekTable {
  /** The offset of each frame, and the end of the last one. */
  readonly offsets: Float64Array;
  /** Bytes of content in each frame but the last. */
  readonly frameContent: number;
  readonly contentBytes: number;
}

/**
 * Read the seek table that ends a file.
 *
 * @param tail the file's last bytes, as many as `seekTableBytes` says
 * @param fileBytes the file's length
 * @throws NightjarError `OBJECT_CORRUPT` when it is not a seek table, or does not fit the file
 */
export function decodeSeekTable(tail: Uint8Array, fileBytes: number): SeekTable {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.length);
  const frames = (tail.length - SKIPPABLE_HEADER - FOOTER) / ENTRY;
  const sound =
    Number.isInteger(frames) &&
    frames >= 0 &&
    view.getUint32(0, true) === SKIPPABLE_MAGIC &&
    view.getUint32(4, true) === tail.length - SKIPPABLE_HEADER &&
    view.getUint32(tail.length - FOOTER, true) === frames &&
    view.getUint8(tail.length - FOOTER + 4) === 0 &&
    view.getUint32(tail.length - 4, true) === SEEKABLE_MAGIC;
  if (!sound) throw corrupt("it does not end in the seek table that it should have");
  const offsets = new Float64Array(frames + 1);
  let contentBytes = 0;
  for (let frame = 0; frame < frames; frame++) {
    const at = SKIPPABLE_HEADER + frame * ENTRY;
    offsets[frame + 1] = offsets[frame]! + view.getUint32(at, true);
    const content = view.getUint32(at + 4, true);
    if (content > FRAME_CONTENT || (content < FRAME_CONTENT && frame !== frames - 1))
      throw corrupt(`its frame ${frame} has ${content} bytes of content`);
    contentBytes += content;
  }
  if (offsets[frames]! + tail.length !== fileBytes)
    throw corrupt("its seek table does not add up to its length");
  return { offsets, frameContent: FRAME_CONTENT, contentBytes };
}

/**
 * Decompress one frame. This uses a stream, as workerd's `zstdDecompressSync` refuses every frame whose
 * content is a multiple of 40,960 bytes ("unexpected end of file").
 *
 * @throws NightjarError `OBJECT_CORRUPT` when its checksum or its length is wrong
 */
export async function decodeFrameContent(
  frame: Uint8Array,
  contentBytes: number,
): Promise<Uint8Array> {
  // Room for one byte more than there may be, so that all of it comes in one piece.
  const stream = createZstdDecompress({ chunkSize: Math.max(contentBytes + 1, 1024) });
  const pieces: Uint8Array[] = [];
  try {
    stream.end(frame);
    for await (const piece of stream) {
      pieces.push(piece as Uint8Array);
      if (lengthOf(pieces) > contentBytes) throw corrupt("a frame is longer than it should be");
    }
  } catch (thrown) {
    if (thrown instanceof NightjarError) throw thrown;
    throw new NightjarError("OBJECT_CORRUPT", "A stored frame cannot be decompressed.", {
      cause: thrown,
    });
  } finally {
    stream.destroy();
  }
  const length = lengthOf(pieces);
  if (length !== contentBytes) throw corrupt("a frame has another length than it should");
  return pieces.length === 1 ? pieces[0]! : concat(pieces, length);
}

/**
 * Decompress a whole file that is held in memory.
 *
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export async function* decodeSeekable(
  file: Uint8Array,
  contentBytes: number,
): AsyncIterable<Uint8Array> {
  const tailBytes = seekTableBytes(contentBytes);
  if (file.length < tailBytes) throw corrupt("it is too short for its seek table");
  const { offsets } = decodeSeekTable(file.subarray(file.length - tailBytes), file.length);
  for (let frame = 0; frame + 1 < offsets.length; frame++) {
    const content = Math.min(FRAME_CONTENT, contentBytes - frame * FRAME_CONTENT);
    yield await decodeFrameContent(file.subarray(offsets[frame], offsets[frame + 1]), content);
  }
}

function corrupt(what: string): NightjarError {
  return new NightjarError(
    "OBJECT_CORRUPT",
    `The stored snapshot is not what was written: ${what}.`,
  );
}
