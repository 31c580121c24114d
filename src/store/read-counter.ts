import { NightjarError } from "../errors/errors.ts";

/** The methods of a bucket that reading objects needs. */
export interface ObjectReader {
  get(key: string, options?: R2GetOptions): Promise<R2ObjectBody | null>;
  /** Make sure that an object of a guarded bucket can be read by its version. @returns the version */
  settle?(key: string): Promise<string | undefined>;
}

/** Counts the reads of a bucket: R2 charges for them, and a Worker may do only so many. */
export class ReadCounter implements ObjectReader {
  reads = 0;
  readonly #bucket: ObjectReader;
  readonly #most: number;

  /** @param most number of reads that are allowed */
  constructor(bucket: ObjectReader, most = Infinity) {
    this.#bucket = bucket;
    this.#most = most;
  }

  async settle(key: string): Promise<string | undefined> {
    return this.#bucket.settle?.(key);
  }

  /** Read an object. @throws NightjarError `QUERY_LIMIT` after the reads that are allowed */
  async get(key: string, options?: R2GetOptions): Promise<R2ObjectBody | null> {
    if (++this.reads > this.#most)
      throw new NightjarError("QUERY_LIMIT", `It takes more than ${this.#most} reads of R2.`);
    return this.#bucket.get(key, options);
  }
}
