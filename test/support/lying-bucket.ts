import { env } from "cloudflare:workers";
import { inject } from "vitest";

const { BUCKET, COPY_BUCKET } = env;

/** Replaces one call; `go` executes it, with other arguments if given. */
type Fault = (go: (...args: any[]) => Promise<any>, args: any[]) => Promise<unknown>;

type Change = (bytes: Uint8Array) => Uint8Array;

const flipped: Change = (bytes) => {
  const copy = bytes.slice();
  copy[copy.length >> 1]! ^= 16;
  return copy;
};
/** Flip a bit of a zstd frame that decoders must ignore (RFC 8878, 3.1.1.1.1). */
const unused: Change = (bytes) => {
  const copy = bytes.slice();
  copy[4]! ^= 16;
  return copy;
};
const cut: Change = (bytes) => bytes.slice(0, -1);

/** Return an object with a changed body and unchanged metadata. */
const returned =
  (change: Change): Fault =>
  async (go) => {
    const object = (await go()) as R2ObjectBody | null;
    if (object === null) return null;
    const answer = new Response(change(new Uint8Array(await object.arrayBuffer())));
    const { key, version, size, uploaded, httpMetadata, customMetadata } = object;
    const body = {
      body: answer.body,
      text: () => answer.text(),
      arrayBuffer: () => answer.arrayBuffer(),
    };
    return { key, version, size, uploaded, httpMetadata, customMetadata, ...body };
  };

const stored = (change: Change): Record<string, Fault> => ({
  put: (go, [key, value, options]) =>
    go(key, change(typeof value === "string" ? Buffer.from(value) : value), options),
  uploadPart: (go, [number, bytes]) => go(number, change(bytes)),
});

const leavesOut = (which: number): Record<string, Fault> => ({
  list: async (go) => {
    const { objects, truncated, cursor } = await go();
    return { objects: objects.filter((_: unknown, at: number) => at !== which), truncated, cursor };
  },
});

const nothing: Fault = async () => null;
const never = () => new Promise(() => {});
const unanswered: Fault = async (go) => {
  await go();
  return never();
};
const ASYNC = [
  ...["head", "get", "put", "delete", "list", "createMultipartUpload"],
  ...["uploadPart", "complete", "abort"],
];
const all = (fault: Fault) => Object.fromEntries(ASYNC.map((method) => [method, fault]));

/** Everything that a bucket can do wrong in one call, by kind of call. */
export const FAULTS = {
  "flips a byte that it returns": { get: returned(flipped) },
  "returns a frame with its unused bit flipped": { get: returned(unused) },
  "returns less than it says": { get: returned(cut) },
  "knows nothing of what it holds": { head: nothing, get: nothing },
  "leaves the first out of a list": leavesOut(0),
  "leaves the second out of a list": leavesOut(1),
  "leaves the third out of a list": leavesOut(2),
  "leaves the fourth out of a list": leavesOut(3),
  "flips a byte that it stores": stored(flipped),
  "stores less than it says": stored(cut),
  "stores nothing": {
    // Stored in another bucket, so that the answer itself is true.
    put: (_go, [key, value, options]) =>
      COPY_BUCKET.put(key, value, { ...options, onlyIf: undefined }),
    complete: async (go) => {
      const object = (await go()) as R2Object;
      await BUCKET.delete(object.key);
      return object;
    },
  },
  "deletes nothing": { delete: nothing, abort: nothing },
  "never hears": all(never),
  "never answers": all(unanswered),
  "stops in the middle of its answer": {
    get: async (go) => {
      const object = (await go()) as R2ObjectBody | null;
      if (object === null) return null;
      const { key, version, size, uploaded, httpMetadata, customMetadata } = object;
      const half = new Uint8Array(await object.arrayBuffer()).slice(0, size >> 1);
      const body = new ReadableStream({ start: (controller) => controller.enqueue(half) });
      const answer = { body, text: never, arrayBuffer: never };
      return { key, version, size, uploaded, httpMetadata, customMetadata, ...answer };
    },
  },
} satisfies Record<string, Record<string, Fault>>;

export type FaultKind = keyof typeof FAULTS;

/** List the faults whose names match. */
export const faultsLike = (pattern: RegExp): FaultKind[] =>
  (Object.keys(FAULTS) as FaultKind[]).filter((kind) => pattern.test(kind));

export const READING = faultsLike(/returns|knows/);
export const HANGING = faultsLike(/^never|^stops/);
export const LYING = (Object.keys(FAULTS) as FaultKind[]).filter((kind) => !HANGING.includes(kind));

/**
 * Choose the calls at which a test tries a kind of fault, one by one: every third, so that each call meets a
 * third of the kinds; every call if the environment variable ALL is set.
 */
export function callsFor(kind: FaultKind): { first: number; step: number } {
  if (inject("all")) return { first: 1, step: 1 };
  return { first: 1 + (Object.keys(FAULTS).indexOf(kind) % 3), step: 3 };
}

interface LyingBucket {
  bucket: R2Bucket;
  /** Describes the call that went wrong; empty until then. */
  what(): string;
  /** Rejects when a call that is made after this one hangs. */
  hung(): Promise<never>;
}

/** Wrap R2 so that one call goes wrong: the `nth` to which this kind of fault applies, counted from 1. */
export function lyingBucket(kind: FaultKind, nth: number): LyingBucket {
  const faults: Record<string, Fault> = FAULTS[kind];
  let calls = 0;
  let what = "";
  let hang = Promise.withResolvers<never>();
  const strike = async (fault: Fault, go: Parameters<Fault>[0], args: unknown[]) => {
    const answer = fault(go, args);
    if (!HANGING.includes(kind)) return answer;
    hang.promise.catch(() => {});
    setTimeout(hang.reject, 20, new Error("the step timed out"));
    hang = Promise.withResolvers<never>();
    return answer;
  };
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const member: unknown = Reflect.get(object, name, object);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          const go = (...given: unknown[]) =>
            Reflect.apply(member, object, given.length === 0 ? args : given) as Promise<unknown>;
          const fault = faults[String(name)];
          if (fault !== undefined && ++calls === nth) {
            what = `${String(name)} ${typeof args[0] === "string" ? args[0] : ""}`;
            return strike(fault, go, args);
          }
          const result: unknown = go();
          return result instanceof Promise ? result.then(wrapUpload) : wrapUpload(result);
        };
      },
    });
  const wrapUpload = (result: unknown): unknown =>
    (result as object | null)?.constructor?.name === "R2MultipartUpload" ||
    typeof (result as { uploadPart?: unknown } | null)?.uploadPart === "function"
      ? wrap(result as object)
      : result;
  return { bucket: wrap(BUCKET), what: () => what, hung: () => hang.promise };
}

/** Wrap R2 so that it exchanges the first and the second part of every upload. */
export function swappingBucket(): R2Bucket {
  const other = (number: number) => [0, 2, 1][number] ?? number;
  const swapped = (upload: R2MultipartUpload) => ({
    key: upload.key,
    uploadId: upload.uploadId,
    uploadPart: async (number: number, bytes: Uint8Array) => {
      const { etag } = await upload.uploadPart(other(number), bytes);
      return { partNumber: number, etag };
    },
    complete: (parts: R2UploadedPart[]) =>
      upload.complete(
        parts
          .map(({ partNumber, etag }) => ({ partNumber: other(partNumber), etag }))
          .toSorted((a, b) => a.partNumber - b.partNumber),
      ),
  });
  return new Proxy(BUCKET, {
    get(object, name) {
      const member = Reflect.get(object, name, object) as (...args: unknown[]) => any;
      if (name === "createMultipartUpload")
        return async (...args: unknown[]) => swapped(await Reflect.apply(member, object, args));
      return member.bind(object);
    },
  });
}
