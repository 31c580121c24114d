/**
 * Reads a source of bytes in pieces of a wanted length. Holds the last chunk of the source, and a copy of a
 * piece that spans several chunks.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();
  #at = 0;
  #joined: Uint8Array = new Uint8Array();
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /**
   * Take the next bytes without waiting; they are valid until more are read. Return undefined if the
   * current chunk does not have them all: then use `read`.
   */
  peek(length: number): Uint8Array | undefined {
    const end = this.#at + length;
    if (end > this.#chunk.length) return undefined;
    const bytes = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** Read the next bytes, valid until more are read; fewer when the source ends. */
  async read(length: number): Promise<Uint8Array> {
    const whole = this.peek(length);
    if (whole !== undefined) return whole;
    if (this.#joined.length < length) this.#joined = new Uint8Array(length);
    let have = 0;
    while (have < length) {
      if (this.#at === this.#chunk.length && !(await this.#advance())) break;
      const part = this.#chunk.subarray(this.#at, this.#at + length - have);
      this.#joined.set(part, have);
      this.#at += part.length;
      have += part.length;
    }
    return this.#joined.subarray(0, have);
  }

  /** Stop reading and let the source clean up. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#source.return?.();
  }

  /** @returns whether there is another chunk */
  async #advance(): Promise<boolean> {
    if (this.#ended) return false;
    this.#chunk = new Uint8Array();
    this.#at = 0;
    const next = await this.#source.next();
    if (next.done === true) this.#ended = true;
    else this.#chunk = next.value;
    return next.done !== true;
  }
}
