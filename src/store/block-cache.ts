import { free } from "../format/bytes/bytes.ts";
import type { ObjectReader } from "./read-counter.ts";

/**
 * Keeps recently read blocks of stored objects, the most recently used ones. The content of an object's
 * version never changes, so that a block is valid for as long as it is held.
 */
export class BlockCache {
  readonly #limit: number;
  readonly #blocks = new Map<string, Uint8Array>();
  #bytes = 0;

  /** @param limit most bytes held */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Call `use` with a block, at once if it is in memory, else after `load` has read it. The block is
   * valid during the call only: its memory is freed when others take its place.
   */
  use<T>(
    name: string,
    load: () => Promise<Uint8Array>,
    use: (block: Uint8Array) => T,
  ): T | Promise<T> {
    const held = this.#blocks.get(name);
    if (held === undefined) return load().then((block) => this.#add(name, block, use));
    this.#blocks.delete(name); // a Map keeps the order of insertion: the oldest come first
    this.#blocks.set(name, held);
    return use(held);
  }

  #add<T>(name: string, block: Uint8Array, use: (block: Uint8Array) => T): T {
    try {
      return use(block);
    } finally {
      if (this.#blocks.has(name))
        free(block); // another call has loaded it too
      else {
        this.#blocks.set(name, block);
        this.#bytes += block.length;
        this.#shrink();
      }
    }
  }

  #shrink(): void {
    for (const [name, block] of this.#blocks) {
      if (this.#bytes <= this.#limit) return;
      this.#blocks.delete(name);
      this.#bytes -= block.length;
      free(block);
    }
  }
}

/**
 * Return the name of an object in a cache: its key and its version, so that no block of a replaced
 * object is used for the new one.
 *
 * @throws NightjarError as `settle` of a guarded bucket
 */
export async function cacheName(bucket: ObjectReader, key: string): Promise<string> {
  return `${key}@${(await bucket.settle?.(key)) ?? ""}`;
}

/** The cache of the isolate: what one query has read makes the next one fast. */
export const sharedBlocks = new BlockCache(8 * 1024 * 1024);
