import { NightjarError } from "../../errors/errors.ts";

/** Bytes of the header before each page in a WAL (https://sqlite.org/fileformat2.html#the_write_ahead_log). */
export const FRAME_HEADER = 24;

/** One frame of an SQLite write-ahead log. */
export interface WalFrame {
  readonly pgno: number;
  /** Pages of the database after the commit that this frame ends; 0 when it ends none. */
  readonly sizeAfter: number;
  /** Two numbers that all frames of one WAL share and that change when it starts over. */
  readonly salts: readonly [number, number];
  /** The rolling checksum up to and including this frame. */
  readonly checksum: readonly [number, number];
  readonly data: Uint8Array;
  /** The whole frame: its header and the page. */
  readonly bytes: Uint8Array;
}

/**
 * Read the frames in `bytes`, over the same memory.
 *
 * @throws NightjarError `PAGES_INVALID` when the last one is not whole
 */
export function walFrames(bytes: Uint8Array, pageSize: number): WalFrame[] {
  const frameSize = FRAME_HEADER + pageSize;
  if (bytes.length % frameSize !== 0)
    throw new NightjarError(
      "PAGES_INVALID",
      `${bytes.length} bytes of frames are no whole number of ${frameSize}-byte frames.`,
    );
  const frames: WalFrame[] = [];
  for (let at = 0; at < bytes.length; at += frameSize) {
    const header = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER);
    frames.push({
      pgno: header.getUint32(0),
      sizeAfter: header.getUint32(4),
      salts: [header.getUint32(8), header.getUint32(12)],
      checksum: [header.getUint32(16), header.getUint32(20)],
      data: bytes.subarray(at + FRAME_HEADER, at + frameSize),
      bytes: bytes.subarray(at, at + frameSize),
    });
  }
  return frames;
}

/**
 * Checks that each frame's checksum follows from the frame before it. The chain starts in the WAL's header,
 * so a frame cannot be checked without its predecessor. The header also has the byte order; without it, the
 * order is the one under which two frames were first seen to fit.
 *
 * A server may pass on frames whose checksums were never maintained: the vendor's own CLI computes them
 * anew. So a misfit counts only together with a fit under the same salts.
 */
export class WalChain {
  #last: { salts: readonly [number, number]; checksum: readonly [number, number] } | null = null;
  #littleEndian: boolean | null = null;
  #misfit = false;

  /**
   * Take in the next frames of the log. Take in all of them before you believe any: a later pair may show
   * that an earlier one is wrong.
   *
   * @throws NightjarError `PAGES_INVALID`
   */
  follow(frames: readonly WalFrame[]): void {
    for (const { pgno, sizeAfter, salts, checksum, data } of frames) {
      const last = this.#last;
      this.#last = { salts, checksum };
      if (last === null || last.salts[0] !== salts[0] || last.salts[1] !== salts[1]) {
        this.#littleEndian = null;
        this.#misfit = false;
        continue;
      }
      const fits = (littleEndian: boolean): boolean => {
        const [a, b] = frameChecksum(last.checksum, pgno, sizeAfter, data, littleEndian);
        return a === checksum[0] && b === checksum[1];
      };
      const orders = this.#littleEndian === null ? [true, false] : [this.#littleEndian];
      const order = orders.find(fits);
      if (order === undefined) this.#misfit = true;
      else this.#littleEndian = order;
      if (this.#misfit && this.#littleEndian !== null)
        throw new NightjarError(
          "PAGES_INVALID",
          "A frame's checksum does not follow from the frame before it.",
        );
    }
  }
}

/** Compute SQLite's WAL checksum (https://sqlite.org/fileformat2.html#checksum_algorithm) of one frame. */
function frameChecksum(
  [a, b]: readonly [number, number],
  pgno: number,
  sizeAfter: number,
  data: Uint8Array,
  littleEndian: boolean,
): [number, number] {
  const header = new DataView(new ArrayBuffer(8));
  header.setUint32(0, pgno);
  header.setUint32(4, sizeAfter);
  const page = new DataView(data.buffer, data.byteOffset, data.length);
  for (const words of [header, page])
    for (let at = 0; at < words.byteLength; at += 8) {
      a = (a + words.getUint32(at, littleEndian) + b) >>> 0;
      b = (b + words.getUint32(at + 4, littleEndian) + a) >>> 0;
    }
  return [a, b];
}
