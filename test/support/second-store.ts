import { env } from "cloudflare:workers";
import { inject } from "vitest";
import { type Deps, systemDeps } from "../../src/core/deps.ts";
import type { SecondStore } from "../../src/store/second/second-store.ts";
import { secondR2 } from "../../src/store/second/r2.ts";
import { secondS3 } from "../../src/store/second/s3.ts";
import { S3Client } from "../../src/store/second/s3-request.ts";
import { intercepted, KilledError } from "./failing.ts";

const bindings = env;

/** Runs in place of every call to the second store. */
export type Around = (what: string, call: () => Promise<unknown>) => Promise<unknown>;

const plainly: Around = (_, call) => call();

/** Open the second bucket by its binding, under a prefix that belongs to the test. */
export function boundSecond(prefix: string, around: Around = plainly): SecondStore {
  const real = { BUCKET: bindings.COPY_BUCKET, DB: bindings.DB };
  const { bucket } = intercepted(real, (_owner, method, call) => around(method, call));
  return secondR2(bucket, prefix);
}

/** Open a bucket behind a real S3 endpoint, under a prefix that belongs to the test. */
export function s3Second(
  prefix: string,
  around: Around = plainly,
  secretAccessKey = inject("s3").keys.secretAccessKey,
): SecondStore {
  const { endpoint, keys } = inject("s3");
  const fetch: Deps["fetch"] = (url, init) =>
    around(`${init.method} ${new URL(url).search.replace(/=[^&]*/g, "")}`, () =>
      systemDeps.fetch(url, init),
    ) as Promise<Response>;
  const place = {
    endpoint,
    region: "auto",
    accessKeyId: "COPY_KEY_ID",
    secretAccessKey: "COPY_KEY",
    prefix,
    keep: false,
  };
  const client = new S3Client(place, { ...keys, secretAccessKey }, { ...systemDeps, fetch });
  return secondS3(client, `${endpoint}/${prefix}`, prefix);
}

export const SECOND_STORES = { "an R2 bucket": boundSecond, "an S3 endpoint": s3Second } as const;

/** List the keys in the second store. */
export async function secondKeys(secondStore: SecondStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of secondStore.list()) keys.push(key);
  return keys.toSorted();
}

/**
 * Fail the `at`th call, counted from 1, before or after it has done its work. A `KilledError` makes every
 * later call fail as well, on both sides.
 */
export function faultAt(at: number, error: () => Error, after: boolean) {
  let calls = 0;
  const fault = { what: "", killed: false };
  const around: Around = async (what, call) => {
    if (fault.killed) throw new KilledError();
    if (++calls !== at) return call();
    fault.what = what;
    const thrown = error();
    if (after) await call().catch(() => {});
    fault.killed = thrown instanceof KilledError;
    throw thrown;
  };
  return { fault, around };
}
