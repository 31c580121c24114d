import type { ObjectReader } from "./read-counter.ts";

/**
 * Blocks of stored objects that were read a moment ago, the newest used kept. What an object's version
 * holds never changes, so that a block is good for as long as it is remembered.
 */
export class BlockCache {
  readonly #limit: number;
  readonly #blocks = new Map<string, Uint8Array>();
  #bytes = 0;

  /** @param limit bytes held at the most */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The block, from memory or by `load`. */
  async get(name: string, load: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const held = this.#blocks.get(name);
    if (held !== undefined) {
      this.#blocks.delete(name); // a Map keeps the order of insertion: the oldest come first
      this.#blocks.set(name, held);
      return held;
    }
    const block = await load();
    if (!this.#blocks.has(name)) {
      this.#blocks.set(name, block);
      this.#bytes += block.length;
      this.#shrink();
    }
    return block;
  }

  #shrink(): void {
    for (const [name, block] of this.#blocks) {
      if (this.#bytes <= this.#limit) return;
      this.#blocks.delete(name);
      this.#bytes -= block.length;
    }
  }
}

/**
 * What an object is called in a cache: by its key and its version, so that no block of an object that was
 * replaced stands for one of the other.
 *
 * @throws NightjarError as `settle` of a guarded bucket
 */
export async function cacheName(bucket: ObjectReader, key: string): Promise<string> {
  return `${key}@${(await bucket.settle?.(key)) ?? ""}`;
}

/** One for the isolate: what a query has read makes the next one fast. */
export const sharedBlocks = new BlockCache(8 * 1024 * 1024);
