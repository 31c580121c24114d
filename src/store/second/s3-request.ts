import { createHash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import type { S3Copy } from "../../config/second-copy.ts";
import type { Deps } from "../../core/deps.ts";
import { messageOf, NightjarError } from "../../errors/errors.ts";
import { isEncoded, readStart, readWhole } from "../../core/read-body.ts";

/** Time after which a request has failed, ms; it has at most some MiB. */
const TIMEOUT = 5 * 60_000;

export interface S3Request {
  method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** The path after the bucket's address; not encoded. */
  key?: string;
  /** A value of "" gives a bare name, like `?uploads`. */
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** Longest answer that is accepted; bytes. */
  most?: number;
}

/**
 * Longest answer by default, bytes: a list of 1,000 keys of 1,024 bytes, escaped, is shorter, and so is
 * every small answer.
 */
const LONGEST_ANSWER = 8 * 1024 * 1024;
/** Bytes of an error that are read: only its code is used, which comes first. */
const ERROR_BYTES = 4096;

/** An answer that was read to its end. */
export interface S3Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  /** The code of an S3 error, like `NoSuchKey`, or its status if it has no code; empty on success. */
  readonly code: string;
}

export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * Sends requests to one bucket, signed with AWS Signature Version 4, bodies included, so that a part
 * that was altered on its way is refused. Redirects are not followed: they would be signed for another
 * host.
 */
export class S3Client {
  readonly #place: S3Copy;
  readonly #keys: S3Keys;
  readonly #deps: Deps;

  constructor(place: S3Copy, keys: S3Keys, deps: Deps) {
    this.#place = place;
    this.#keys = keys;
    this.#deps = deps;
  }

  /**
   * Send a request, and read its answer to the end.
   *
   * @param expected S3's error codes that count as an answer
   * @throws NightjarError `COPY_UNREACHABLE` if the store does not answer or has a fault, and
   *   `COPY_REFUSED` if it refuses; neither repeats anything but the error's code
   */
  async send(request: S3Request, ...expected: string[]): Promise<S3Answer> {
    const what = `${request.method} ${request.key ?? ""} at ${this.#place.endpoint}`;
    const answer = await this.#fetch(request, what);
    if (answer.status < 300 || expected.includes(answer.code)) return answer;
    throw this.#refusal(answer, what);
  }

  async #fetch(request: S3Request, what: string): Promise<S3Answer> {
    const { method, key = "", query = {}, headers = {}, body, most = LONGEST_ANSWER } = request;
    const url = new URL(`${this.#place.endpoint}${key === "" ? "" : `/${key}`}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const sha256 = createHash("sha256")
      .update(body ?? "")
      .digest("hex");
    const signed = await new AwsV4Signer({
      method,
      url: url.toString(),
      headers: { ...headers, "x-amz-content-sha256": sha256 },
      service: "s3",
      region: this.#place.region,
      datetime: new Date(this.#deps.now()).toISOString().replaceAll(/[:-]|\.\d{3}/g, ""),
      ...this.#keys,
    }).sign();
    signed.headers.set("accept-encoding", "identity"); // not signed: proxies change it
    try {
      const response = await this.#deps.fetch(signed.url.toString(), {
        method,
        headers: signed.headers,
        redirect: "manual",
        encodeResponseBody: "manual",
        signal: AbortSignal.timeout(TIMEOUT),
        ...(body !== undefined && { body }),
      });
      if (isEncoded(response) && response.ok) {
        await response.body?.cancel();
        throw new Error("the answer is compressed, which was not asked for");
      }
      const bytes = response.ok
        ? await readWhole(response.body, most)
        : (await readStart(response.body, ERROR_BYTES)).bytes;
      const code = response.ok ? "" : codeIn(bytes, response.status);
      return { status: response.status, headers: response.headers, bytes, code };
    } catch (thrown) {
      throw new NightjarError("COPY_UNREACHABLE", `${what}: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
  }

  #refusal({ status, code }: S3Answer, what: string): NightjarError {
    const message = `${what}: ${status} ${code}`;
    if (status >= 500 || PASSING.includes(status) || code === "NoSuchUpload")
      return new NightjarError("COPY_UNREACHABLE", message);
    const { accessKeyId, secretAccessKey, region } = this.#place;
    const put = (name: string) => `store the right one with \`npx wrangler secret put ${name}\``;
    const hint =
      code === "SignatureDoesNotMatch"
        ? `The secret ${secretAccessKey} does not belong to the key in ${accessKeyId}, or COPY.region is wrong (${region}): ${put(secretAccessKey)}.`
        : code === "RequestTimeTooSkewed"
          ? "The clock of one of the two is wrong."
          : status === 401 || code === "InvalidAccessKeyId"
            ? `The store does not know the key in the secret ${accessKeyId}: ${put(accessKeyId)}.`
            : status === 403
              ? `The key in the secret ${accessKeyId} may not do this: allow it to get, put, list and delete objects and to abort uploads, or ${put(accessKeyId)}, and its ${secretAccessKey}.`
              : undefined;
    return new NightjarError("COPY_REFUSED", message, hint === undefined ? {} : { hint });
  }
}

/** Statuses of faults that pass: 408 timeout, 409 a conflict with another request, 429 too many. */
const PASSING = [408, 409, 429];

/**
 * Return the code of an S3 error and nothing else: the rest repeats the request's signature and the
 * key's id.
 */
function codeIn(bytes: Uint8Array, status: number): string {
  const text = new TextDecoder().decode(bytes);
  return /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(text)?.[1] ?? String(status);
}
