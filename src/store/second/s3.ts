import { NightjarError } from "../../errors/errors.ts";
import { LONGEST_DOCUMENT } from "../guarded-bucket.ts";
import { BYTES_TYPE, type SecondStore, type SecondUpload } from "./second-store.ts";
import type { S3Answer, S3Client } from "./s3-request.ts";

/**
 * Open a bucket of an S3-compatible store.
 *
 * Only what all such stores have is used: B2 refuses the header `If-None-Match` of a PUT
 * (github.com/sathinduga/obsidian-s3-sync-and-backup/issues/78), so writers look first. Two that look
 * at once write the same: a key holds the backup's random id.
 *
 * @param to its address with the prefix, for people
 */
export function secondS3(client: S3Client, to: string, prefix: string): SecondStore {
  return {
    to,
    async size(key) {
      const answer = await client.send({ method: "HEAD", key: prefix + key }, "404");
      return answer.status === 404 ? null : lengthOf(answer);
    },
    async read(key, offset, length) {
      const range = `bytes=${offset}-${offset + length - 1}`;
      const request = {
        method: "GET",
        key: prefix + key,
        headers: { range },
        most: length,
      } as const;
      const { status, bytes } = await client.send(request, "NoSuchKey", "InvalidRange");
      if (status === 206 && bytes.length === length) return bytes;
      throw new NightjarError("COPY_DIFFERS", `The second copy of ${key} ends too early.`);
    },
    async readText(key) {
      const request = { method: "GET", key: prefix + key, most: LONGEST_DOCUMENT } as const;
      const answer = await client.send(request, "NoSuchKey");
      return answer.status === 404 ? null : textOf(answer);
    },
    async writeText(key, text, note) {
      const headers: Record<string, string> = { "content-type": "application/json" };
      for (const [name, value] of Object.entries(note)) headers[`x-amz-meta-${name}`] = value;
      await client.send({ method: "PUT", key: prefix + key, headers, body: text });
    },
    async startUpload(key) {
      const headers = { "content-type": BYTES_TYPE };
      const request = {
        method: "POST",
        key: prefix + key,
        query: { uploads: "" },
        headers,
      } as const;
      return member(await client.send(request), "UploadId");
    },
    upload: (key, uploadId) => uploadOf(client, prefix, key, uploadId),
    async remove(keys) {
      for (const key of keys)
        await client.send({ method: "DELETE", key: prefix + key }, "NoSuchKey");
    },
    async *list() {
      let token: string | undefined;
      do {
        const query = { "list-type": "2", ...(prefix !== "" && { prefix }) };
        const page = await client.send({
          method: "GET",
          query: token === undefined ? query : { ...query, "continuation-token": token },
        });
        const text = textOf(page);
        for (const [, content] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
          const key = /<Key>(.*?)<\/Key>/s.exec(content!)?.[1];
          const bytes = /<Size>(\d+)<\/Size>/.exec(content!)?.[1];
          if (key !== undefined && bytes !== undefined)
            yield { key: unescaped(key).slice(prefix.length), bytes: Number(bytes) };
        }
        token = /<IsTruncated>true</.test(text) ? member(page, "NextContinuationToken") : undefined;
      } while (token !== undefined);
    },
  };
}

function uploadOf(client: S3Client, prefix: string, key: string, uploadId: string): SecondUpload {
  const at = { key: prefix + key };
  return {
    key,
    async uploadPart(partNumber, body) {
      const query = { partNumber: String(partNumber), uploadId };
      const { headers } = await client.send({ method: "PUT", ...at, query, body });
      const etag = headers.get("etag");
      if (etag !== null) return { partNumber, etag };
      throw new NightjarError("COPY_UNREACHABLE", `Part ${partNumber} of ${key} got no ETag.`);
    },
    async complete(parts) {
      const list = parts.map(
        ({ partNumber, etag }) =>
          `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
      );
      const body = `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`;
      const answer = await client.send({ method: "POST", ...at, query: { uploadId }, body });
      // S3 begins its answer before it is done: an error may come with status 200
      // (docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html).
      if (!textOf(answer).includes("<CompleteMultipartUploadResult"))
        throw new NightjarError("COPY_UNREACHABLE", `The upload of ${key} was not completed.`);
    },
    async abort() {
      await client.send({ method: "DELETE", ...at, query: { uploadId } }, "NoSuchUpload");
    },
  };
}

function lengthOf({ headers }: S3Answer): number {
  const length = headers.get("content-length");
  if (length !== null) return Number(length);
  throw new NightjarError("COPY_UNREACHABLE", "The store does not tell an object's size.");
}

function textOf({ bytes }: S3Answer): string {
  return new TextDecoder().decode(bytes);
}

/** Return the text of the one XML element of this name. */
function member(answer: S3Answer, name: string): string {
  const text = new RegExp(`<${name}>([^<]+)</${name}>`).exec(textOf(answer))?.[1];
  if (text !== undefined) return unescaped(text);
  throw new NightjarError("COPY_UNREACHABLE", `The store's answer has no ${name}.`);
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescaped(text: string): string {
  return text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name]!);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
