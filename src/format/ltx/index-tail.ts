import { getVarint } from "./frame-list.ts";
import {
  CHECKSUM_FLAG,
  corrupt,
  HEADER_SIZE,
  INDEX_SIZE_SIZE,
  PAGE_HEADER_SIZE,
  TRAILER_SIZE,
} from "./header.ts";

/** Bytes at the end of an LTX file from which `ltxTailSize` gets the length of its tail. */
export const LTX_END_SIZE = INDEX_SIZE_SIZE + TRAILER_SIZE;

/** Frames of a group, as a power of two. Within a group 32 bits hold an offset. */
const GROUP_BITS = 8;

/** The place of a page's frame in the file, in bytes. */
export interface LtxFrame {
  readonly pgno: number;
  readonly offset: number;
  readonly size: number;
}

/**
 * Return the number of bytes at the end of the file that `readLtxIndex` needs.
 *
 * @param end the file's last bytes, at least `LTX_END_SIZE`
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function ltxTailSize(end: Uint8Array, fileSize: number): number {
  if (end.length < LTX_END_SIZE) throw corrupt("is too short to have an index");
  const view = new DataView(end.buffer, end.byteOffset, end.length);
  const size = Number(view.getBigUint64(end.length - LTX_END_SIZE)) + LTX_END_SIZE;
  if (size > fileSize - HEADER_SIZE - PAGE_HEADER_SIZE)
    throw corrupt("misstates the size of its index");
  if ((view.getBigUint64(end.length - 8) & CHECKSUM_FLAG) === 0n)
    throw corrupt("has no checksum at its end");
  return size;
}

/**
 * Read the index of an LTX file. The file's checksum is not verified: only a reader of the whole file can
 * do that.
 *
 * @param tail the file's last bytes, at least `ltxTailSize`
 * @throws NightjarError `OBJECT_CORRUPT` for an index that cannot be right
 */
export function readLtxIndex(tail: Uint8Array, fileSize: number): LtxIndex {
  const size = ltxTailSize(tail, fileSize);
  if (tail.length < size) throw new RangeError(`The index needs the file's last ${size} bytes.`);
  const index = tail.subarray(tail.length - size, tail.length - LTX_END_SIZE);
  return new LtxIndex(index, fileSize - size - PAGE_HEADER_SIZE);
}

/** Finds pages in an LTX file; takes 8 bytes of memory for each. */
export class LtxIndex {
  readonly #pgnos: Uint32Array;
  /** The offset of each frame, relative to its group. */
  readonly #starts: Uint32Array;
  readonly #groups: Float64Array;
  readonly #end: number;

  /** The number of pages in the file. */
  get pages(): number {
    return this.#pgnos.length;
  }

  /**
   * @param bytes the index alone
   * @param end the end of the last frame
   * @throws NightjarError `OBJECT_CORRUPT`
   */
  constructor(bytes: Uint8Array, end: number) {
    let numbers = 0;
    for (const byte of bytes) if (byte < 0x80) numbers++;
    const count = (numbers - 1) / 3;
    if (!Number.isInteger(count) || bytes.at(-1) !== 0) throw corrupt("has an incomplete index");
    this.#pgnos = new Uint32Array(count);
    this.#starts = new Uint32Array(count);
    this.#groups = new Float64Array(Math.ceil(count / 2 ** GROUP_BITS));
    this.#end = end;
    const read = { at: 0 };
    let last = 0;
    let next = HEADER_SIZE;
    for (let frame = 0; frame < count; frame++) {
      const pgno = getVarint(bytes, read);
      const offset = getVarint(bytes, read);
      const size = getVarint(bytes, read);
      if (!(pgno > last && pgno <= 0xffff_ffff && size > 0 && size < 2 ** 20) || offset !== next)
        throw corrupt(`has an index that is wrong after page ${last}`);
      if (frame % 2 ** GROUP_BITS === 0) this.#groups[frame >>> GROUP_BITS] = offset;
      this.#pgnos[frame] = pgno;
      this.#starts[frame] = offset - this.#groups[frame >>> GROUP_BITS]!;
      last = pgno;
      next = offset + size;
    }
    if (next !== end) throw corrupt("has an index that leaves out pages");
  }

  /** The number of pages in the file. */
  get length(): number {
    return this.#pgnos.length;
  }

  /** Find a page's frame; return undefined if the file does not have the page. */
  find(pgno: number): LtxFrame | undefined {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pgnos[middle]! < pgno) low = middle + 1;
      else high = middle;
    }
    return this.#pgnos[low] === pgno ? this.#frame(low) : undefined;
  }

  /** Yield the frames in ascending order. */
  *entries(): Iterable<LtxFrame> {
    for (let frame = 0; frame < this.length; frame++) yield this.#frame(frame);
  }

  #frame(frame: number): LtxFrame {
    const offset = this.#start(frame);
    return { pgno: this.#pgnos[frame]!, offset, size: this.#start(frame + 1) - offset };
  }

  #start(frame: number): number {
    if (frame === this.length) return this.#end;
    return this.#groups[frame >>> GROUP_BITS]! + this.#starts[frame]!;
  }
}
