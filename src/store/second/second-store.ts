/**
 * Where second copies go, as the jobs see it. Keys are those of the first bucket; the store adds its
 * prefix. Every method throws `COPY_UNREACHABLE` where the store fails, and `COPY_REFUSED` where it
 * refuses.
 */
export interface SecondStore {
  /** Its place, for people and to tell one from another. Holds no secret. */
  readonly to: string;

  /** Bytes of an object; null where there is none. */
  size(key: string): Promise<number | null>;

  /**
   * `length` bytes of an object from `offset`.
   *
   * @throws NightjarError `COPY_DIFFERS` where the object does not have them
   */
  read(key: string, offset: number, length: number): Promise<Uint8Array>;

  /** An object's text; null where there is none. */
  readText(key: string): Promise<string | null>;

  /**
   * Write a JSON document. The caller has looked that nothing is there.
   *
   * @param note its custom metadata
   */
  writeText(key: string, text: string, note: Readonly<Record<string, string>>): Promise<void>;

  /** Begin an upload by parts. @returns its id */
  startUpload(key: string): Promise<string>;

  /** Go on with an upload that was begun. */
  upload(key: string, uploadId: string): SecondUpload;

  /** Delete objects; those that are gone already are no error. */
  remove(keys: readonly string[]): Promise<void>;

  /** Every object under the prefix. */
  list(): AsyncIterable<SecondObject>;
}

/** An upload by parts that is under way. */
export interface SecondUpload {
  readonly key: string;
  uploadPart(number: number, bytes: Uint8Array): Promise<R2UploadedPart>;
  complete(parts: readonly R2UploadedPart[]): Promise<void>;
  /** End it with nothing kept; one that is gone already is no error. */
  abort(): Promise<void>;
}

export interface SecondObject {
  readonly key: string;
  readonly bytes: number;
}

export const BYTES_TYPE = "application/zstd";
