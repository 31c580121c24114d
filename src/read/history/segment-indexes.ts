import type { LtxIndex } from "../../format/ltx/index-tail.ts";
import { readSegmentIndex, type StoredSegment } from "../../store/log-reader.ts";
import type { ObjectReader } from "../../store/read-counter.ts";

/** Pages of all indexes that are held, each 8 bytes. */
const MOST_PAGES = 1_500_000;

/** Reads indexes of segments, and holds those that were used last. */
export class SegmentIndexes {
  readonly #bucket: ObjectReader;
  readonly #held = new Map<string, LtxIndex>();
  #pages = 0;

  constructor(bucket: ObjectReader) {
    this.#bucket = bucket;
  }

  /** @throws NightjarError as `readSegmentIndex` */
  async read(segment: StoredSegment): Promise<LtxIndex> {
    const { key } = segment;
    const held = this.#held.get(key);
    const index = held ?? (await readSegmentIndex(this.#bucket, segment));
    this.#held.delete(key); // a Map keeps the order of insertion: the oldest come first
    this.#held.set(key, index);
    if (held !== undefined) return index;
    this.#pages += index.pages;
    for (const [oldest, { pages }] of this.#held) {
      if (this.#pages <= MOST_PAGES || oldest === key) break;
      this.#held.delete(oldest);
      this.#pages -= pages;
    }
    return index;
  }
}
