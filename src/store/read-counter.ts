/** What reading objects needs of a bucket. */
export interface ObjectReader {
  get(key: string, options?: R2GetOptions): Promise<R2ObjectBody | null>;
}

/** A bucket that counts what is asked of it: R2 charges for reads by number, not by size. */
export class ReadCounter implements ObjectReader {
  reads = 0;
  readonly #bucket: ObjectReader;

  constructor(bucket: ObjectReader) {
    this.#bucket = bucket;
  }

  get(key: string, options?: R2GetOptions): Promise<R2ObjectBody | null> {
    this.reads++;
    return this.#bucket.get(key, options);
  }
}
