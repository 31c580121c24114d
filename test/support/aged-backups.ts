import { env } from "cloudflare:workers";
import { expect, inject } from "vitest";
import { listBackups } from "../../src/catalog/backups.ts";
import type { Context } from "../../src/worker/context.ts";
import { DAY } from "../../src/plan/duration.ts";
import { allKeys, backUp, manualRun, testContext } from "./context.ts";

const SMALL = inject("small");
const { BUCKET } = env;

/** The time at which a test file begins, ms. */
export const NOW = Date.now();

/** Configure a database that is captured by pages. */
export const entry = (more: object = {}) => ({ url: SMALL, capture: "pages", ...more });

/** Make backups of a database taken the given numbers of days ago; the newest last. */
export async function backUpAt(name: string, days: number[], more: object = {}): Promise<Context> {
  const databases = { [name]: entry(more) };
  for (const ago of days) {
    const context = testContext(databases, { now: () => NOW - ago * DAY });
    expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
  }
  await forgetProofs(name);
  return testContext(databases);
}

/** Remove the proofs that the runs of a database wrote, so that a test sees only its own. */
export async function forgetProofs(name: string): Promise<void> {
  await BUCKET.delete((await ownKeys(name)).filter((key) => key.includes(".proof-")));
}

export const newestOf = async (context: Context, name: string) =>
  (await listBackups(context.catalog, name, 1))[0]!;

export const bytesAt = async (key: string) =>
  new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());

/** List all keys of a database except those of its page log. */
export const ownKeys = async (name: string) =>
  (await allKeys()).filter((key) => key.includes(`/${name}/`) && !key.startsWith("log/"));
