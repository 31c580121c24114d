/**
 * The store of the second copies, as the jobs see it. Keys are those of the first bucket; the store
 * adds its prefix. Every method throws `COPY_UNREACHABLE` if the store fails, and `COPY_REFUSED` if it
 * refuses.
 */
export interface SecondStore {
  /** Its place, for people and to distinguish one store from another. Contains no secret. */
  readonly to: string;

  /** Return the size of an object in bytes; null if there is none. */
  size(key: string): Promise<number | null>;

  /**
   * Read `length` bytes of an object from `offset`.
   *
   * @throws NightjarError `COPY_DIFFERS` if the object does not have them
   */
  read(key: string, offset: number, length: number): Promise<Uint8Array>;

  /** Read an object's text; null if there is none. */
  readText(key: string): Promise<string | null>;

  /**
   * Write a JSON document. The caller has checked that nothing is there.
   *
   * @param note its custom metadata
   */
  writeText(key: string, text: string, note: Readonly<Record<string, string>>): Promise<void>;

  /** Begin an upload by parts. @returns its id */
  startUpload(key: string): Promise<string>;

  /** Continue an upload that was begun. */
  upload(key: string, uploadId: string): SecondUpload;

  /** Delete objects; objects that do not exist are no error. */
  remove(keys: readonly string[]): Promise<void>;

  /** Yield every object under the prefix. */
  list(): AsyncIterable<SecondObject>;
}

/** An upload by parts, under way. */
export interface SecondUpload {
  readonly key: string;
  uploadPart(number: number, bytes: Uint8Array): Promise<R2UploadedPart>;
  complete(parts: readonly R2UploadedPart[]): Promise<void>;
  /** Abort it, with nothing kept; an upload that does not exist is no error. */
  abort(): Promise<void>;
}

export interface SecondObject {
  readonly key: string;
  readonly bytes: number;
}

export const BYTES_TYPE = "application/zstd";
