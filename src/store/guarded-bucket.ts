import { createHash } from "node:crypto";
import { NightjarError, failAs } from "../errors/errors.ts";
import { macOf, type Note, type Origin, originOf } from "../format/bytes/object-mac.ts";

/** An object that Nightjar wrote, as recorded where somebody with access to the bucket cannot write. */
export interface KnownObject {
  readonly key: string;
  /** R2 gives every write a version of its own; null until the object was read whole and compared. */
  readonly version: string | null;
  /** SHA-256 in hexadecimal; null if it is not known what the bytes should be. */
  readonly sha256: string | null;
  readonly bytes: number;
}

/** The record of known objects: the catalog. Every method throws `CATALOG_FAILED`. */
export interface Ledger {
  find(keys: readonly string[]): Promise<ReadonlyMap<string, KnownObject>>;
  /** Return the keys under a prefix of the objects that must be there. */
  under(prefix: string): Promise<readonly string[]>;
  record(objects: readonly KnownObject[]): Promise<unknown>;
  forget(keys: readonly string[]): Promise<unknown>;
}

/** The methods of a guarded bucket beyond those of R2. */
interface Guarded {
  /** Look up some objects at once, for a reader of many. @throws NightjarError `CATALOG_FAILED` */
  expect(keys: readonly string[]): Promise<void>;
  /**
   * Return the keys under a prefix of the objects that must be there.
   *
   * @throws NightjarError `CATALOG_FAILED`
   */
  expectedUnder(prefix: string): Promise<readonly string[]>;
  /** Return what is known of an object. @throws NightjarError `CATALOG_FAILED` */
  known(key: string): Promise<KnownObject | undefined>;
  /**
   * Make sure that an object can be read by its version: one whose version is not known is read whole
   * and compared first.
   *
   * @returns the version; undefined for an object that is not known
   * @throws NightjarError `OBJECT_CORRUPT`, `STORE_FAILED`, `CATALOG_FAILED`
   */
  settle(key: string): Promise<string | undefined>;
  /** Return the writer of these bytes under this key, as far as the MAC beside them shows it. */
  originOf(key: string, sha256: string, note: Note): Origin;
  /**
   * Return the metadata that Nightjar writes with bytes under a key: their SHA-256 and its MAC, and the
   * given note.
   */
  noteOf(key: string, value: string | Uint8Array, note?: Note): Record<string, string>;
  /** Count these objects as Nightjar's from now on. @throws NightjarError `CATALOG_FAILED` */
  accept(objects: readonly KnownObject[]): Promise<void>;
  /** Forget objects that were deleted. @throws NightjarError `CATALOG_FAILED` */
  forget(keys: readonly string[]): Promise<void>;
}

/**
 * R2, with every object checked against what Nightjar knows of it: whatever is written here is
 * recorded, and a read of an object that was replaced since throws `OBJECT_CORRUPT`. Checksums inside
 * an object cannot detect that, as anyone who replaces it can compute them again.
 */
export type GuardedBucket = R2Bucket & Guarded;

/** Longest document of Nightjar, bytes: a manifest of 100,000 tables takes some 10 MB. */
export const LONGEST_DOCUMENT = 24 * 1024 * 1024;

/** Bytes read at a time of an object that is compared whole. */
const SPAN = 4 * 1024 * 1024;

/** Return false for the pages that a pull spills: they are not used after it. */
const isGuarded = (key: string) => !/^log\/[^/]*\/spill\//.test(key);

/**
 * Guard a bucket.
 *
 * @param macKeys the key that signs what is written, and the former keys that are still accepted
 */
export function guardBucket(
  bucket: R2Bucket,
  ledger: Ledger,
  macKeys: readonly [Uint8Array, ...Uint8Array[]],
): GuardedBucket {
  return new Guard(bucket, ledger, macKeys) as unknown as GuardedBucket;
}

class Guard implements Guarded {
  readonly #bucket: R2Bucket;
  readonly #ledger: Ledger;
  readonly #macKeys: readonly [Uint8Array, ...Uint8Array[]];
  readonly #known = new Map<string, Promise<KnownObject | undefined>>();

  constructor(bucket: R2Bucket, ledger: Ledger, macKeys: readonly [Uint8Array, ...Uint8Array[]]) {
    this.#bucket = bucket;
    this.#ledger = ledger;
    this.#macKeys = macKeys;
  }

  head(key: string): Promise<R2Object | null> {
    return this.#bucket.head(key);
  }

  list(options?: R2ListOptions): Promise<R2Objects> {
    return this.#bucket.list(options);
  }

  resumeMultipartUpload(key: string, uploadId: string): R2MultipartUpload {
    return this.#bucket.resumeMultipartUpload(key, uploadId);
  }

  /** Read an object. @throws NightjarError `OBJECT_CORRUPT` for one that was replaced; what R2 throws */
  async get(key: string, options: R2GetOptions = {}): Promise<R2ObjectBody | null> {
    if (!isGuarded(key)) return this.#bucket.get(key, options);
    await this.settle(key);
    for (let tries = 0; ; tries++) {
      const object = await this.#bucket.get(key, options);
      const known = await this.known(key);
      if (object === null || known === undefined || object.version === known.version) return object;
      await object.body.cancel().catch(() => {}); // it is no longer needed
      if (tries > 0) throw replaced(key);
      await this.#reexamine(known);
    }
  }

  async put(
    key: string,
    value: string | Uint8Array,
    options: R2PutOptions = {},
  ): Promise<R2Object | null> {
    if (!isGuarded(key)) return this.#bucket.put(key, value, options);
    const customMetadata = this.noteOf(key, value, options.customMetadata);
    const written = await this.#bucket.put(key, value, { ...options, customMetadata });
    if (written === null) return null;
    const { version, size: bytes } = written;
    await this.accept([{ key, version, sha256: customMetadata["sha256"]!, bytes }]);
    return written;
  }

  async createMultipartUpload(
    key: string,
    options?: R2MultipartOptions,
  ): Promise<Omit<R2MultipartUpload, "abort">> {
    const upload = await this.#bucket.createMultipartUpload(key, options);
    const hash = createHash("sha256");
    let next = 1;
    return {
      key,
      uploadId: upload.uploadId,
      async uploadPart(number, bytes) {
        if (number !== next++) throw new Error(`part ${number} of ${key} is out of turn`);
        hash.update(bytes as Uint8Array);
        return upload.uploadPart(number, bytes);
      },
      complete: async (parts) => {
        const object = await upload.complete(parts);
        const { version, size: bytes } = object;
        await this.accept([{ key, version, sha256: hash.digest("hex"), bytes }]);
        return object;
      },
    };
  }

  async delete(keys: string | string[]): Promise<void> {
    await this.#bucket.delete(keys);
    await this.forget([keys].flat().filter(isGuarded));
  }

  async expect(keys: readonly string[]): Promise<void> {
    const asked = keys.filter((key) => isGuarded(key) && !this.#known.has(key));
    if (asked.length === 0) return;
    const found = await this.#ledger.find(asked);
    for (const key of asked) this.#known.set(key, Promise.resolve(found.get(key)));
  }

  expectedUnder(prefix: string): Promise<readonly string[]> {
    return this.#ledger.under(prefix);
  }

  known(key: string): Promise<KnownObject | undefined> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const asked = this.#ledger.find([key]).then((found) => found.get(key));
    this.#known.set(key, asked);
    asked.catch(() => this.#known.delete(key)); // reported to the caller
    return asked;
  }

  async settle(key: string): Promise<string | undefined> {
    if (!isGuarded(key)) return undefined;
    const known = await this.known(key);
    if (known === undefined) return undefined;
    return known.version ?? (await this.#compare(known));
  }

  originOf(key: string, sha256: string, note: Note): Origin {
    const origins = this.#macKeys.map((macKey) => originOf(macKey, key, sha256, note));
    return origins.find((origin) => origin !== "other") ?? "other";
  }

  noteOf(key: string, value: string | Uint8Array, note: Note = {}): Record<string, string> {
    const sha256 = createHash("sha256").update(value).digest("hex");
    return { ...note, sha256, mac: macOf(this.#macKeys[0], key, sha256, note) };
  }

  async accept(objects: readonly KnownObject[]): Promise<void> {
    for (const { key } of objects) this.#known.delete(key);
    await this.#ledger.record(objects);
    for (const object of objects) this.#known.set(object.key, Promise.resolve(object));
  }

  async forget(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#known.delete(key);
    if (keys.length > 0) await this.#ledger.forget(keys);
  }

  /**
   * Check an object whose version is not the known one. Nightjar may have written it again elsewhere,
   * or somebody may have written the same bytes: both do no harm.
   *
   * @throws NightjarError `OBJECT_CORRUPT` for other bytes
   */
  async #reexamine(before: KnownObject): Promise<void> {
    const { key, version } = before;
    this.#known.delete(key);
    const now = await this.known(key);
    if (now !== undefined && now.version === version) await this.#compare(now);
    else await this.settle(key);
  }

  /**
   * Read an object whole, compare it with its hash, and record the version that was read.
   *
   * A document may have been overwritten by a Nightjar that died before it updated the catalog: one
   * with our MAC is ours. Somebody who can write to the bucket can bring back no more than what we
   * wrote to that key.
   *
   * @returns the version; undefined if there is no such object
   */
  async #compare(known: KnownObject): Promise<string | undefined> {
    const { key } = known;
    const found = await failAs("STORE_FAILED", `looking for ${key}`, () => this.#bucket.head(key));
    if (found === null) return undefined;
    const isDocument = key.endsWith(".json") && found.size <= LONGEST_DOCUMENT;
    if (known.sha256 === null || (found.size !== known.bytes && !isDocument)) throw replaced(key);
    const { version, size: bytes, customMetadata: note = {} } = found;
    const sha256 = await this.#hashOf(found);
    const isSame = sha256 === known.sha256 && bytes === known.bytes;
    if (!isSame && !(isDocument && this.originOf(key, sha256, note) === "ours"))
      throw replaced(key);
    await this.accept([{ key, version, sha256, bytes }]);
    return version;
  }

  /** Return the SHA-256 of an object, read a part at a time. */
  async #hashOf({ key, version, size }: R2Object): Promise<string> {
    const hash = createHash("sha256");
    for (let offset = 0; offset < size; offset += SPAN) {
      const range = { offset, length: Math.min(SPAN, size - offset) };
      const span = await failAs("STORE_FAILED", `reading ${key}`, async () => {
        const object = await this.#bucket.get(key, { range });
        if (object?.version !== version) throw replaced(key);
        return new Uint8Array(await object.arrayBuffer());
      });
      hash.update(span);
    }
    return hash.digest("hex");
  }
}

function replaced(key: string): NightjarError {
  return new NightjarError("OBJECT_CORRUPT", `${key} was replaced since Nightjar wrote it.`, {
    hint: "Somebody else wrote to the bucket: revoke that credential (docs/runbook.md), run `nightjar verify --all` for each database, and choose another backup.",
  });
}
