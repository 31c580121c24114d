import { env } from "cloudflare:workers";
import { expect, inject } from "vitest";
import { listBackups } from "../../src/catalog/backups.ts";
import type { Context } from "../../src/worker/context.ts";
import { DAY } from "../../src/plan/duration.ts";
import { allKeys, backUp, manualRun, testContext } from "./context.ts";

const SMALL = inject("small");
const { BUCKET } = env as unknown as { BUCKET: R2Bucket };

/** The moment that a test file begins with, ms. */
export const NOW = Date.now();

/** A database's configuration, by pages. */
export const entry = (more: object = {}) => ({ url: SMALL, capture: "pages", ...more });

/** Backups of a database taken so many days ago; the newest last. */
export async function backUpAt(name: string, days: number[], more: object = {}): Promise<Context> {
  const databases = { [name]: entry(more) };
  for (const ago of days) {
    const context = testContext(databases, { now: () => NOW - ago * DAY });
    expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
  }
  await forgetProofs(name);
  return testContext(databases);
}

/** Remove the proofs that the runs of a database have left, so that a test sees its own only. */
export async function forgetProofs(name: string): Promise<void> {
  await BUCKET.delete((await ownKeys(name)).filter((key) => key.includes(".proof-")));
}

export const newestOf = async (context: Context, name: string) =>
  (await listBackups(context.catalog, name, 1))[0]!;

export const bytesAt = async (key: string) =>
  new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());

/** All keys of a database but those of its page log. */
export const ownKeys = async (name: string) =>
  (await allKeys()).filter((key) => key.includes(`/${name}/`) && !key.startsWith("log/"));
