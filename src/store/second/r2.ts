import { messageOf, NightjarError, failAs } from "../../errors/errors.ts";
import { LONGEST_DOCUMENT } from "../guarded-bucket.ts";
import { BYTES_TYPE, type SecondStore, type SecondUpload } from "./second-store.ts";
import { listObjects } from "../list.ts";

const HINT =
  "The R2 bucket that is bound as COPY_BUCKET did not do what it was asked: see Cloudflare's status, then run `nightjar copy`.";

/** Open a second R2 bucket, by its binding. */
export function secondR2(bucket: R2Bucket, prefix: string): SecondStore {
  return {
    to: `R2 bucket COPY_BUCKET${prefix === "" ? "" : `/${prefix}`}`,
    size: (key) =>
      asking(`looking for ${key}`, async () => (await bucket.head(prefix + key))?.size ?? null),
    read: async (key, offset, length) => {
      const bytes = await asking(`reading ${key}`, async () => {
        const object = await bucket.get(prefix + key, { range: { offset, length } });
        return object === null ? null : new Uint8Array(await object.arrayBuffer());
      });
      if (bytes?.length === length) return bytes;
      throw new NightjarError("COPY_DIFFERS", `The second copy of ${key} ends too early.`);
    },
    readText: (key) =>
      asking(`reading ${key}`, async () => {
        const object = await bucket.get(prefix + key);
        if (object === null || object.size <= LONGEST_DOCUMENT)
          return (await object?.text()) ?? null;
        await object.body.cancel();
        throw new Error(`it has ${object.size} bytes, too many for a document`);
      }),
    async writeText(key, text, note) {
      await asking(`writing ${key}`, () =>
        bucket.put(prefix + key, text, {
          onlyIf: { etagDoesNotMatch: "*" },
          httpMetadata: { contentType: "application/json" },
          customMetadata: { ...note },
        }),
      );
    },
    startUpload: (key) =>
      asking(`starting the upload of ${key}`, async () => {
        const httpMetadata = { contentType: BYTES_TYPE };
        return (await bucket.createMultipartUpload(prefix + key, { httpMetadata })).uploadId;
      }),
    upload: (key, uploadId) => uploadOf(bucket, prefix, key, uploadId),
    async remove(keys) {
      const there = keys.map((key) => prefix + key);
      await asking(`deleting ${keys.length} objects`, () => bucket.delete(there));
    },
    async *list() {
      for await (const { key, size } of asked(listObjects(bucket, prefix)))
        yield { key: key.slice(prefix.length), bytes: size };
    },
  };
}

function uploadOf(bucket: R2Bucket, prefix: string, key: string, uploadId: string): SecondUpload {
  const upload = bucket.resumeMultipartUpload(prefix + key, uploadId);
  return {
    key,
    uploadPart: (number, bytes) =>
      asking(`uploading part ${number} of ${key}`, () => upload.uploadPart(number, bytes)),
    async complete(parts) {
      await asking(`completing ${key}`, () => upload.complete([...parts]));
    },
    abort: () =>
      asking(`aborting the upload of ${key}`, async () => {
        try {
          await upload.abort();
        } catch (error) {
          // R2's NoSuchUpload, code 10024: it was completed, aborted before, or has expired.
          if (!/10024|does not exist/.test(messageOf(error))) throw error;
        }
      }),
  };
}

function asking<T>(what: string, action: () => Promise<T>): Promise<T> {
  return failAs("COPY_UNREACHABLE", `${what} in COPY_BUCKET`, action).catch((thrown: unknown) => {
    if (!(thrown instanceof NightjarError) || thrown.code !== "COPY_UNREACHABLE") throw thrown;
    throw new NightjarError(thrown.code, thrown.message, { cause: thrown.cause, hint: HINT });
  });
}

/** Report an error of listing the second bucket as one of the second copy, not of the first bucket. */
async function* asked<T>(source: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* source;
  } catch (thrown) {
    throw new NightjarError("COPY_UNREACHABLE", `${messageOf(thrown)} in COPY_BUCKET`, {
      cause: thrown,
      hint: HINT,
    });
  }
}
