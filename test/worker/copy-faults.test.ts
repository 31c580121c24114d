import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { type Backup, findBackup, newestBackup } from "../../src/catalog/backups.ts";
import { copyBackup } from "../../src/jobs/second-copy/copy.ts";
import { manifestText } from "../../src/store/document.ts";
import type { FarStore } from "../../src/store/second/far.ts";
import { backUp, manualRun, testContext } from "../support/context.ts";
import { boundFar, farKeys, FARS, faultAt, s3Far } from "../support/far.ts";
import { failing, intercepted, KilledError } from "../support/failing.ts";

/** A copy that fails or is killed at any call to either side, and stores that lie. */
const { BUCKET, DB } = env as unknown as { BUCKET: R2Bucket; DB: D1Database };
const DATABASES = { shop: { url: inject("shop"), capture: "dump" } };
let backup: Backup;

beforeAll(async () => {
  vi.spyOn(console, "info").mockImplementation(() => {});
  const context = testContext(DATABASES);
  expect(await backUp(context, manualRun("shop"))).toMatchObject({ state: "done" });
  backup = (await newestBackup(context.catalog, "shop"))!;
});
beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});

const stateOf = async () => (await findBackup(testContext({}).catalog, backup.id))!.copy;

/** Begin anew: the catalog forgets what earlier copies have left. */
const forget = () => DB.prepare("UPDATE backups SET copy = NULL").run();

/** A manifest at the far side stands for the right bytes; `copied` stands for both. */
async function expectNothingHalf(far: FarStore, when: string): Promise<void> {
  const { key, manifestKey, stored } = backup.manifest;
  const text = await far.readText(manifestKey);
  const state = await stateOf();
  if (state?.to === far.to && state.state === "copied") expect(text, when).not.toBeNull();
  if (text === null) return;
  expect(text, when).toBe(manifestText(backup.manifest));
  expect(await far.size(key), when).toBe(stored.bytes);
}

/** The next try makes it whole, and leaves no upload that it can know of. */
async function expectHealed(far: FarStore, uploads: readonly string[], when: string) {
  const { key, manifestKey } = backup.manifest;
  expect(await copyBackup(testContext(DATABASES, { far }), backup.id), when).toMatchObject({
    state: "copied",
    uploadId: null,
  });
  expect(await farKeys(far), when).toEqual([key, manifestKey].toSorted());
  const digest = await crypto.subtle.digest(
    "SHA-256",
    await far.read(key, 0, backup.manifest.stored.bytes),
  );
  expect(Buffer.from(digest).toString("hex"), when).toBe(backup.manifest.stored.sha256);
  for (const id of uploads)
    await expect(far.upload(key, id).uploadPart(1, new Uint8Array(10)), when).rejects.toThrow();
}

/** A far side whose uploads, as far as their ids were told, are noted. */
function noting(far: FarStore): FarStore & { uploads: string[] } {
  const uploads: string[] = [];
  const startUpload = async (key: string) => {
    const id = await far.startUpload(key);
    uploads.push(id);
    return id;
  };
  return { ...far, startUpload, uploads };
}

describe.each(Object.entries(FARS))("%s", (kind, farOf) => {
  it.each([
    ["fails before", () => new Error("injected"), false],
    ["fails after", () => new Error("injected"), true],
    ["is killed before", () => new KilledError(), false],
    ["is killed after", () => new KilledError(), true],
  ] as const)(
    "that %s any one call: nothing half, and the next try heals",
    async (how, error, after) => {
      for (let at = 1; ; at++) {
        await forget();
        const prefix = `${kind.length}-${how.replaceAll(" ", "-")}-${at}/`;
        const { fault, around } = faultAt(at, error, after);
        const far = noting(farOf(prefix, around));
        // A Worker that is killed asks nothing of its own bucket and catalog either.
        const near = intercepted({ BUCKET, DB }, async (_owner, _method, call) => {
          if (fault.killed) throw new KilledError();
          return call();
        });
        const context = testContext(DATABASES, { ...near, far });
        const outcome = await copyBackup(context, backup.id).catch((thrown: unknown) => thrown);
        const when = `call ${at} ${how}: ${fault.what}`;
        const plain = farOf(prefix);
        await expectNothingHalf(plain, when);
        if (fault.what !== "" && !fault.killed && outcome instanceof Error)
          expect(await stateOf(), when).toMatchObject({
            state: "failed",
            error: { code: "COPY_UNREACHABLE" },
          });
        await expectHealed(plain, far.uploads, when);
        if (fault.what === "") break;
        expect(at).toBeLessThan(30);
      }
    },
  );

  it.each(["bucket", "db"] as const)(
    "while any one call to the first %s fails or kills: nothing half, and the next try heals",
    async (part) => {
      for (const error of [() => new Error("injected"), () => new KilledError()])
        for (let at = 1; ; at++) {
          await forget();
          const prefix = `${kind.length}-near-${part}-${error().message}-${at}/`;
          const fault = failing({ BUCKET, DB }, part, at, error);
          let killed = false;
          const far = noting(
            farOf(prefix, async (_what, call) => {
              killed ||= fault.happened() && error() instanceof KilledError;
              if (killed) throw new KilledError();
              return call();
            }),
          );
          await copyBackup(testContext(DATABASES, { ...fault, far }), backup.id).catch(() => {});
          killed ||= fault.happened() && error() instanceof KilledError;
          const when = `call ${at} of the ${part}: ${fault.what()}`;
          await expectNothingHalf(farOf(prefix), when);
          // One whose id the kill kept out of the catalog is left to the store's lifecycle.
          const told = (await stateOf())?.uploadId;
          const uploads = far.uploads.filter((id) => !killed || id === told);
          await expectHealed(farOf(prefix), uploads, when);
          if (!fault.happened()) break;
          expect(at).toBeLessThan(30);
        }
    },
  );
});

describe("a store that lies", () => {
  const flipped = async (far: FarStore, ...[key, offset, length]: Parameters<FarStore["read"]>) => {
    const bytes = await far.read(key, offset, length);
    bytes[bytes.length >> 1]! ^= 16;
    return bytes;
  };
  const lies: Record<string, (far: FarStore) => Partial<FarStore>> = {
    "returns other bytes": (far) => ({ read: (...args) => flipped(far, ...args) }),
    "returns the bytes of another size": (far) => ({
      size: async (key) => {
        const size = await far.size(key);
        return size === null ? null : size - 1;
      },
    }),
    "keeps nothing of what it was sent": (far) => ({
      upload: (key, id) => ({ ...far.upload(key, id), complete: async () => {} }),
    }),
    "keeps another text": (far) => ({
      writeText: (key, text, sha256) => far.writeText(key, text.replace("1", "2"), sha256),
    }),
    "keeps no text": () => ({ writeText: async () => {} }),
  };

  it.each(Object.entries(lies))("and %s is found out", async (what, lie) => {
    await forget();
    const far = boundFar(`lie-${what.replaceAll(" ", "-")}/`);
    const lying = { ...far, ...lie(far) };
    await expect(
      copyBackup(testContext(DATABASES, { far: lying }), backup.id),
    ).rejects.toMatchObject({ code: "COPY_DIFFERS" });
    expect(await stateOf()).toMatchObject({ state: "failed", error: { code: "COPY_DIFFERS" } });
    const text = await far.readText(backup.manifest.manifestKey);
    expect(text).not.toBe(manifestText(backup.manifest));
  });

  it("and says 200 to a part of which it stores nothing is found out", async () => {
    await forget();
    const far = s3Far("lie-part/", async (what, call) =>
      what.includes("partNumber") ? new Response(null, { headers: { etag: '"abc"' } }) : call(),
    );
    await expect(copyBackup(testContext(DATABASES, { far }), backup.id)).rejects.toMatchObject({
      code: "COPY_REFUSED",
    });
    expect(await farKeys(s3Far("lie-part/"))).toEqual([]);
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
      const far = s3Far(prefix, async (asked, call) =>
        asked.startsWith("POST ?uploadId") ? new Response(body, { status }) : call(),
      );
      await expect(copyBackup(testContext(DATABASES, { far }), backup.id)).rejects.toMatchObject({
        code,
      });
      expect(await farKeys(s3Far(prefix))).toEqual([]);
      expect(await stateOf()).toMatchObject({ state: "failed", uploadId: null });
    },
  );
});
