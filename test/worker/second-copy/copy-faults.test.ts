import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { type Backup, findBackup, newestBackup } from "../../../src/catalog/backups.ts";
import { copyBackup } from "../../../src/jobs/second-copy/copy.ts";
import { manifestText } from "../../../src/store/document.ts";
import type { SecondStore } from "../../../src/store/second/second-store.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import {
  boundSecond,
  secondKeys,
  SECOND_STORES,
  faultAt,
  s3Second,
} from "../../support/second-store.ts";
import { failing, intercepted, KilledError } from "../../support/failing.ts";

/** A copy that fails or is killed at any call to either side, and stores that lie. */
const { BUCKET, DB } = env;
const DATABASES = { shop: { url: inject("shop"), capture: "dump" } };
let backup: Backup;

beforeAll(async () => {
  const context = testContext(DATABASES);
  expect(await backUp(context, manualRun("shop"))).toMatchObject({ state: "done" });
  backup = (await newestBackup(context.catalog, "shop"))!;
});
const stateOf = async () => (await findBackup(testContext({}).catalog, backup.id))!.copy;

/** Start over: the catalog forgets what earlier copies left. */
const forget = () => DB.prepare("UPDATE backups SET copy = NULL").run();

/** Expect the right bytes if there is a manifest at the second store, and both if the state is `copied`. */
async function expectNothingHalf(secondStore: SecondStore, when: string): Promise<void> {
  const { key, manifestKey, stored } = backup.manifest;
  const text = await secondStore.readText(manifestKey);
  const state = await stateOf();
  if (state?.to === secondStore.to && state.state === "copied") expect(text, when).not.toBeNull();
  if (text === null) return;
  expect(text, when).toBe(manifestText(backup.manifest));
  expect(await secondStore.size(key), when).toBe(stored.bytes);
}

/** Expect that the next try completes the copy, and leaves no upload that it can know of. */
async function expectHealed(secondStore: SecondStore, uploads: readonly string[], when: string) {
  const { key, manifestKey } = backup.manifest;
  expect(await copyBackup(testContext(DATABASES, { secondStore }), backup.id), when).toMatchObject({
    state: "copied",
    uploadId: null,
  });
  expect(await secondKeys(secondStore), when).toEqual([key, manifestKey].toSorted());
  const digest = await crypto.subtle.digest(
    "SHA-256",
    await secondStore.read(key, 0, backup.manifest.stored.bytes),
  );
  expect(Buffer.from(digest).toString("hex"), when).toBe(backup.manifest.stored.sha256);
  for (const id of uploads)
    await expect(
      secondStore.upload(key, id).uploadPart(1, new Uint8Array(10)),
      when,
    ).rejects.toThrow();
}

/** Wrap a second store to record its uploads, as far as their ids were returned. */
function noting(secondStore: SecondStore): SecondStore & { uploads: string[] } {
  const uploads: string[] = [];
  const startUpload = async (key: string) => {
    const id = await secondStore.startUpload(key);
    uploads.push(id);
    return id;
  };
  return { ...secondStore, startUpload, uploads };
}

describe.each(Object.entries(SECOND_STORES))("%s", (kind, secondOf) => {
  it.each([
    ["fails before", () => new Error("injected"), false],
    ["fails after", () => new Error("injected"), true],
    ["is killed before", () => new KilledError(), false],
    ["is killed after", () => new KilledError(), true],
  ] as const)(
    "that %s any one call: nothing half, and the next try repairs it",
    async (how, error, after) => {
      for (let at = 1; ; at++) {
        await forget();
        const prefix = `${kind.length}-${how.replaceAll(" ", "-")}-${at}/`;
        const { fault, around } = faultAt(at, error, after);
        const secondStore = noting(secondOf(prefix, around));
        // After a kill, the Worker makes no call to its own bucket and catalog either.
        const near = intercepted({ BUCKET, DB }, async (_owner, _method, call) => {
          if (fault.killed) throw new KilledError();
          return call();
        });
        const context = testContext(DATABASES, { ...near, secondStore });
        const outcome = await copyBackup(context, backup.id).catch((thrown: unknown) => thrown);
        const when = `call ${at} ${how}: ${fault.what}`;
        const plain = secondOf(prefix);
        await expectNothingHalf(plain, when);
        if (fault.what !== "" && !fault.killed && outcome instanceof Error)
          expect(await stateOf(), when).toMatchObject({
            state: "failed",
            error: { code: "COPY_UNREACHABLE" },
          });
        await expectHealed(plain, secondStore.uploads, when);
        if (fault.what === "") break;
        expect(at).toBeLessThan(30);
      }
    },
  );

  it.each(["bucket", "db"] as const)(
    "while any one call to the first %s fails or kills: nothing half, and the next try repairs it",
    async (part) => {
      for (const error of [() => new Error("injected"), () => new KilledError()])
        for (let at = 1; ; at++) {
          await forget();
          const prefix = `${kind.length}-near-${part}-${error().message}-${at}/`;
          const fault = failing({ BUCKET, DB }, part, at, error);
          let killed = false;
          const secondStore = noting(
            secondOf(prefix, async (_what, call) => {
              killed ||= fault.happened() && error() instanceof KilledError;
              if (killed) throw new KilledError();
              return call();
            }),
          );
          await copyBackup(testContext(DATABASES, { ...fault, secondStore }), backup.id).catch(
            () => {},
          );
          killed ||= fault.happened() && error() instanceof KilledError;
          const when = `call ${at} of the ${part}: ${fault.what()}`;
          await expectNothingHalf(secondOf(prefix), when);
          // An upload whose id never reached the catalog, because of the kill, is left to the store's
          // lifecycle.
          const told = (await stateOf())?.uploadId;
          const uploads = secondStore.uploads.filter((id) => !killed || id === told);
          await expectHealed(secondOf(prefix), uploads, when);
          if (!fault.happened()) break;
          expect(at).toBeLessThan(30);
        }
    },
  );
});

describe("a store that lies", () => {
  const flipped = async (
    secondStore: SecondStore,
    ...[key, offset, length]: Parameters<SecondStore["read"]>
  ) => {
    const bytes = await secondStore.read(key, offset, length);
    bytes[bytes.length >> 1]! ^= 16;
    return bytes;
  };
  const lies: Record<string, (secondStore: SecondStore) => Partial<SecondStore>> = {
    "returns other bytes": (secondStore) => ({ read: (...args) => flipped(secondStore, ...args) }),
    "returns the bytes of another size": (secondStore) => ({
      size: async (key) => {
        const size = await secondStore.size(key);
        return size === null ? null : size - 1;
      },
    }),
    "keeps nothing of what it was sent": (secondStore) => ({
      upload: (key, id) => ({ ...secondStore.upload(key, id), complete: async () => {} }),
    }),
    "keeps another text": (secondStore) => ({
      writeText: (key, text, sha256) => secondStore.writeText(key, text.replace("1", "2"), sha256),
    }),
    "keeps no text": () => ({ writeText: async () => {} }),
  };

  it.each(Object.entries(lies))("and %s is found out", async (what, lie) => {
    await forget();
    const secondStore = boundSecond(`lie-${what.replaceAll(" ", "-")}/`);
    const lying = { ...secondStore, ...lie(secondStore) };
    await expect(
      copyBackup(testContext(DATABASES, { secondStore: lying }), backup.id),
    ).rejects.toMatchObject({ code: "COPY_DIFFERS" });
    expect(await stateOf()).toMatchObject({ state: "failed", error: { code: "COPY_DIFFERS" } });
    const text = await secondStore.readText(backup.manifest.manifestKey);
    expect(text).not.toBe(manifestText(backup.manifest));
  });

  it("and says 200 to a part of which it stores nothing is found out", async () => {
    await forget();
    const secondStore = s3Second("lie-part/", async (what, call) =>
      what.includes("partNumber") ? new Response(null, { headers: { etag: '"abc"' } }) : call(),
    );
    await expect(
      copyBackup(testContext(DATABASES, { secondStore }), backup.id),
    ).rejects.toMatchObject({
      code: "COPY_REFUSED",
    });
    expect(await secondKeys(s3Second("lie-part/"))).toEqual([]);
  });

  it.each([
    [
      "an error with status 200",
      200,
      "<Error><Code>InternalError</Code></Error>",
      "COPY_UNREACHABLE",
    ],
    ["a fault", 503, "<Error><Code>SlowDown</Code></Error>", "COPY_UNREACHABLE"],
    ["a redirect", 301, "<Error><Code>PermanentRedirect</Code></Error>", "COPY_REFUSED"],
    ["a web page", 200, "<!doctype html><p>Please sign in", "COPY_UNREACHABLE"],
  ])(
    "or answers the end of an upload with %s publishes nothing",
    async (what, status, body, code) => {
      await forget();
      const prefix = `end-${what.length}/`;
      const secondStore = s3Second(prefix, async (asked, call) =>
        asked.startsWith("POST ?uploadId") ? new Response(body, { status }) : call(),
      );
      await expect(
        copyBackup(testContext(DATABASES, { secondStore }), backup.id),
      ).rejects.toMatchObject({
        code,
      });
      expect(await secondKeys(s3Second(prefix))).toEqual([]);
      expect(await stateOf()).toMatchObject({ state: "failed", uploadId: null });
    },
  );
});
