import { messageOf, NightjarError, failAs } from "../errors/errors.ts";
import { free } from "../format/bytes/bytes.ts";
import { log } from "../core/log.ts";
import { objectExists } from "./read.ts";
import { failAsStore } from "./refusal.ts";

/**
 * Bytes of a part: R2 wants at least 5 MiB, all parts equal but the last, and at most 10,000 of them:
 * 52 GB.
 */
export const PART_BYTES = 5 * 1024 * 1024;

export interface MultipartOptions {
  contentType: string;
  /** Called with the upload's id before the first part, so that a dead writer's upload can be found. */
  onUpload(uploadId: string): Promise<void>;
}

/**
 * Stream bytes of unknown length to a new key. At most two parts are held: one on its way to R2 and one
 * being filled. If anything fails, the upload is aborted and nothing appears under the key.
 *
 * @throws NightjarError `STORE_CONFLICT` if the key exists, `STORE_FAILED` if R2 fails, and whatever
 *   the source throws
 */
export async function writeMultipart(
  bucket: R2Bucket,
  key: string,
  source: AsyncIterable<Uint8Array>,
  options: MultipartOptions,
): Promise<void> {
  const existing = await objectExists(bucket, key);
  if (existing) throw new NightjarError("STORE_CONFLICT", `${key} exists already.`);
  const upload = await failAs("STORE_FAILED", `starting the upload of ${key}`, () =>
    bucket.createMultipartUpload(key, { httpMetadata: { contentType: options.contentType } }),
  );
  try {
    await options.onUpload(upload.uploadId);
    const { parts, bytes } = await uploadParts(upload, source);
    const object = await failAs("STORE_FAILED", `completing ${key}`, () => upload.complete(parts));
    if (object.size !== bytes)
      throw new NightjarError(
        "STORE_FAILED",
        `R2 holds ${object.size} of ${bytes} bytes of ${key}.`,
      );
  } catch (error) {
    await abandonUpload(bucket, key, upload.uploadId).catch((thrown: unknown) =>
      // The next run tries again: the catalog knows the upload.
      log.error("upload-left-over", thrown, { key }),
    );
    throw error;
  }
}

/**
 * Send a source's bytes as the parts of an upload, one part at a time. The upload is neither completed
 * nor aborted.
 *
 * @throws NightjarError `STORE_FAILED` or what `uploadPart` throws, and whatever the source throws
 */
export async function uploadParts(
  upload: Pick<R2MultipartUpload, "key" | "uploadPart">,
  source: AsyncIterable<Uint8Array>,
): Promise<{ parts: R2UploadedPart[]; bytes: number }> {
  const parts: R2UploadedPart[] = [];
  let bytes = 0;
  let sending: Promise<R2UploadedPart> | undefined;
  const buffers: Buffers = { filling: new Uint8Array(PART_BYTES), sent: undefined };
  const send = async (part: Uint8Array): Promise<void> => {
    if (sending !== undefined) parts.push(await sending); // its buffer is filled again from now on
    const number = parts.length + 1;
    bytes += part.length;
    sending = failAs("STORE_FAILED", `uploading part ${number} of ${upload.key}`, () =>
      upload.uploadPart(number, part),
    );
    sending.catch(() => {}); // reported where it is awaited
  };
  try {
    for await (const part of partsOf(source, buffers)) await send(part);
    if (sending !== undefined) parts.push(await sending);
    return { parts, bytes };
  } catch (error) {
    await sending?.catch(() => {}); // the first error is the one to report
    throw error;
  } finally {
    free(buffers.filling);
    if (buffers.sent !== undefined) free(buffers.sent);
  }
}

/** The memory of two parts, used in turn. */
interface Buffers {
  filling: Uint8Array<ArrayBuffer>;
  sent: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Yield the source's bytes in pieces of `PART_BYTES`; only the last may be shorter. A piece is valid
 * until the next but one is asked for.
 */
async function* partsOf(
  source: AsyncIterable<Uint8Array>,
  buffers: Buffers,
): AsyncIterable<Uint8Array> {
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      const take = Math.min(chunk.length - at, PART_BYTES - filled);
      buffers.filling.set(chunk.subarray(at, at + take), filled);
      at += take;
      filled += take;
      if (filled === PART_BYTES) {
        yield buffers.filling;
        const { filling, sent } = buffers;
        buffers.filling = sent ?? new Uint8Array(PART_BYTES);
        buffers.sent = filling;
        filled = 0;
      }
    }
  }
  if (filled > 0) yield buffers.filling.subarray(0, filled);
}

/**
 * Remove what an unfinished write has left: the upload, or the object if it was just completed. It is
 * no error if neither exists.
 *
 * @throws NightjarError `STORE_LOCKED` if a lock rule holds the object, or `STORE_FAILED`
 */
export async function abandonUpload(
  bucket: R2Bucket,
  key: string,
  uploadId: string,
): Promise<void> {
  await failAsStore(`aborting the upload of ${key}`, async () => {
    try {
      await bucket.resumeMultipartUpload(key, uploadId).abort();
    } catch (error) {
      // R2's NoSuchUpload, code 10024: it was completed, aborted before, or has expired.
      if (!/10024|does not exist/.test(messageOf(error))) throw error;
    }
    await bucket.delete(key);
  });
}
