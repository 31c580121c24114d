import { NightjarError } from "../errors/errors.ts";

/** What reading objects needs of a bucket. */
export interface ObjectReader {
  get(key: string, options?: R2GetOptions): Promise<R2ObjectBody | null>;
  /** Of a guarded bucket: make sure that an object can be read by its version. @returns the version */
  settle?(key: string): Promise<string | undefined>;
}

/** A bucket that counts what is asked of it: R2 charges for reads, and a Worker may do only so many. */
export class ReadCounter implements ObjectReader {
  reads = 0;
  readonly #bucket: ObjectReader;
  readonly #most: number;

  /** @param most how many reads are allowed */
  constructor(bucket: ObjectReader, most = Infinity) {
    this.#bucket = bucket;
    this.#most = most;
  }

  async settle(key: string): Promise<string | undefined> {
    return this.#bucket.settle?.(key);
  }

  /** @throws NightjarError `QUERY_LIMIT` beyond what is allowed */
  async get(key: string, options?: R2GetOptions): Promise<R2ObjectBody | null> {
    if (++this.reads > this.#most)
      throw new NightjarError("QUERY_LIMIT", `It takes more than ${this.#most} reads of R2.`);
    return this.#bucket.get(key, options);
  }
}
