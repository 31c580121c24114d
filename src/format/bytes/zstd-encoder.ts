import { constants, createZstdCompress } from "node:zlib";
import { free } from "./bytes.ts";

/**
 * A zstd compressor at level 1, with the content checksum, that is fed and flushed step by step.
 *
 * workerd's compressor fails with "unexpected end of file" when the end of a frame does not fit into the
 * rest of its output buffer. So end a frame only while `room` is larger than its end can be.
 */
export class ZstdEncoder {
  readonly #buffer: number;
  readonly #stream: ReturnType<typeof createZstdCompress>;
  #pieces: Uint8Array[] = [];
  #last: Uint8Array | undefined;
  #written = 0;

  /** @param buffer bytes of the output buffer */
  constructor(buffer: number) {
    this.#buffer = buffer;
    this.#stream = createZstdCompress({
      chunkSize: buffer,
      params: {
        [constants.ZSTD_c_compressionLevel]: 1,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
    });
    this.#stream.on("data", (piece: Uint8Array) => {
      this.#pieces.push(piece);
      this.#last = piece;
      this.#written += piece.length;
    });
  }

  /** Bytes that are left in the output buffer. Known after a flush. */
  get room(): number {
    return this.#buffer - (this.#written % this.#buffer);
  }

  /** Compress bytes, and return the output so far. The memory of the bytes may be reused afterwards. */
  async write(bytes: Uint8Array): Promise<Uint8Array[]> {
    return this.#step((done) => this.#stream.write(bytes, done));
  }

  /** Write out all that was compressed so far. The frame stays open. */
  async flush(): Promise<Uint8Array[]> {
    return this.#step((done) => this.#stream.flush(constants.ZSTD_e_flush, done));
  }

  /** End the frame. The next write begins another one. */
  async endFrame(): Promise<Uint8Array[]> {
    return this.#step((done) => this.#stream.flush(constants.ZSTD_e_end, done));
  }

  /** End all work. No output may be read afterwards. */
  close(): void {
    this.#stream.destroy();
    if (this.#last !== undefined) free(this.#last);
    this.#last = undefined;
  }

  async #step(start: (done: (error?: Error | null) => void) => void): Promise<Uint8Array[]> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.once("error", reject);
      start((error) => {
        this.#stream.off("error", reject);
        if (error) reject(error);
        else resolve();
      });
    });
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }
}
