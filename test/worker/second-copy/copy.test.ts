import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import {
  type Backup,
  enterBackup,
  findBackup,
  newestBackup,
} from "../../../src/catalog/backups.ts";
import { copyBackup } from "../../../src/jobs/second-copy/copy.ts";
import { syncCopies } from "../../../src/jobs/second-copy/sync-copies.ts";
import { pinBackup, unpinBackup } from "../../../src/jobs/retention/pin.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { writeManifest } from "../../../src/store/document.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { boundSecond, secondKeys, SECOND_STORES, s3Second } from "../../support/second-store.ts";
import type { SecondStore } from "../../../src/store/second/second-store.ts";

/** Second copies: which backups are copied, which are refused, and the backup's `copy` state. */
const { BUCKET, DB } = env;
const DATABASES = {
  shop: { url: inject("small"), capture: "dump" },
  left: { url: inject("small"), capture: "dump", copy: false },
};
let shop: Backup;

beforeAll(async () => {
  const context = testContext(DATABASES);
  for (const name of Object.keys(DATABASES))
    expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
  shop = (await newestBackup(context.catalog, "shop"))!;
});
let logged = "";
beforeEach(() => {
  logged = "";
  vi.spyOn(console, "error").mockImplementation((line: string) => void (logged += line));
});

const contextOf = (secondStore: SecondStore, copy = {}) =>
  testContext(DATABASES, { secondStore, copy });
const stateOf = async (id: string) => (await findBackup(testContext({}).catalog, id))!.copy;

async function bytesAt(secondStore: SecondStore, key: string): Promise<Uint8Array> {
  return secondStore.read(key, 0, (await secondStore.size(key))!);
}

describe.each(Object.entries(SECOND_STORES))("a copy to %s", (_kind, secondOf) => {
  it("has the same keys and bytes, the manifest last, and says where it is", async () => {
    const order: string[] = [];
    const secondStore = secondOf("plain/", (what, call) => {
      order.push(what);
      return call();
    });
    const context = contextOf(secondStore);
    expect((await findBackup(context.catalog, shop.id))!.copy?.to).not.toBe(secondStore.to);
    const state = await copyBackup(context, shop.id);
    expect(state).toMatchObject({
      state: "copied",
      to: secondStore.to,
      error: null,
      uploadId: null,
    });
    expect(await stateOf(shop.id)).toEqual(state);

    const { key, manifestKey } = shop.manifest;
    expect(await secondKeys(secondStore)).toEqual([key, manifestKey].toSorted());
    for (const one of [key, manifestKey])
      expect(await bytesAt(secondStore, one)).toEqual(
        new Uint8Array(await (await BUCKET.get(one))!.arrayBuffer()),
      );
    const writes = order.filter((what) => /^(PUT|POST|put|create|upload|complete)/.test(what));
    expect(writes).toHaveLength(4);
    expect(writes.at(-1)).toMatch(/^put$|^PUT $/);
  });

  it("is read back and not written again when it is there", async () => {
    const secondStore = secondOf("again/");
    await copyBackup(contextOf(secondStore), shop.id);
    const writes: string[] = [];
    const watched = secondOf("again/", (what, call) => {
      if (!/^(GET|HEAD|get|head)/.test(what)) writes.push(what);
      return call();
    });
    expect(await copyBackup(contextOf(watched), shop.id)).toMatchObject({ state: "copied" });
    expect(writes).toEqual([]);
  });

  it("has many parts where it is large", async () => {
    const context = contextOf(secondOf("large/"));
    const bytes = new Uint8Array(21 * 1024 * 1024 + 5);
    for (let at = 0; at < bytes.length; at += 65_536)
      crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const id = `large${Date.now()}`.padEnd(12, "0").slice(-12);
    const manifest = {
      ...shop.manifest,
      id,
      runId: id,
      key: shop.manifest.key.replace(shop.id, id),
      manifestKey: shop.manifest.manifestKey.replace(shop.id, id),
      stored: { bytes: bytes.length, sha256: Buffer.from(hash).toString("hex") },
    };
    await BUCKET.put(manifest.key, bytes);
    await writeManifest(context.bucket, manifest);
    await enterBackup(context.catalog, manifest);
    expect(await copyBackup(context, id)).toMatchObject({ state: "copied" });
    expect(await context.secondStore!.size(manifest.key)).toBe(bytes.length);
    await DB.prepare("DELETE FROM backups WHERE id = ?").bind(id).run();
    await BUCKET.delete([manifest.key, manifest.manifestKey]);
  });

  it.each([
    ["bytes of the same length", (bytes: Uint8Array) => bytes.map((byte) => byte ^ 1)],
    ["fewer bytes", (bytes: Uint8Array) => bytes.subarray(1)],
  ])("never writes over %s that lie there already", async (what, change) => {
    const secondStore = secondOf(`other-${what.length}/`);
    const { key } = shop.manifest;
    const near = new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
    const uploadId = await secondStore.startUpload(key);
    const upload = secondStore.upload(key, uploadId);
    await upload.complete([await upload.uploadPart(1, change(near).slice())]);
    const before = await bytesAt(secondStore, key);
    await expect(copyBackup(contextOf(secondStore), shop.id)).rejects.toMatchObject({
      code: "COPY_DIFFERS",
    });
    expect(await bytesAt(secondStore, key)).toEqual(before);
    expect(await secondKeys(secondStore)).toEqual([key]);
    expect(await stateOf(shop.id)).toMatchObject({
      state: "failed",
      error: { code: "COPY_DIFFERS" },
    });
  });

  it("never writes over another manifest", async () => {
    const secondStore = secondOf("manifest/");
    await secondStore.writeText(shop.manifest.manifestKey, "{}\n", {});
    await expect(copyBackup(contextOf(secondStore), shop.id)).rejects.toMatchObject({
      code: "COPY_DIFFERS",
    });
    expect(await secondStore.readText(shop.manifest.manifestKey)).toBe("{}\n");
  });

  it("does not begin to exist when the first bucket's bytes are damaged", async () => {
    const secondStore = secondOf("damaged/");
    const { key } = shop.manifest;
    const near = await (await BUCKET.get(key))!.arrayBuffer();
    const flipped = new Uint8Array(near.slice(0));
    flipped[flipped.length - 7]! ^= 8;
    await BUCKET.put(key, flipped);
    try {
      await expect(copyBackup(contextOf(secondStore), shop.id)).rejects.toMatchObject({
        code: "OBJECT_CORRUPT",
      });
      expect(await secondKeys(secondStore)).toEqual([]);
      expect(await stateOf(shop.id)).toMatchObject({ state: "failed", uploadId: null });
    } finally {
      await BUCKET.put(key, near);
    }
  });

  it("lists more than one page, without its prefix", async () => {
    const secondStore = secondOf("many/");
    const keys = Array.from({ length: 1003 }, (_, at) => `k${String(at).padStart(4, "0")}.json`);
    for (let at = 0; at < keys.length; at += 20)
      await Promise.all(keys.slice(at, at + 20).map((key) => secondStore.writeText(key, "{}", {})));
    expect(await secondKeys(secondStore)).toEqual(keys);
    // An S3 endpoint is asked for one key at a time: at once for 20 lists of keys.
    const lists = Array.from({ length: 20 }, (_, list) =>
      keys.filter((_key, at) => at % 20 === list),
    );
    await Promise.all(lists.map((list) => secondStore.remove(list)));
    expect(await secondKeys(secondStore)).toEqual([]);
  });
});

it("of a pinned backup lies under the backup's own keys, with its own manifest", async () => {
  const context = contextOf(boundSecond("pinned/"));
  await backUp(testContext(DATABASES), manualRun("shop"));
  const { id, manifest } = (await newestBackup(context.catalog, "shop"))!;
  const own = await (await BUCKET.get(manifest.manifestKey))!.text();
  await pinBackup(context, id, "user", "evidence");
  await BUCKET.delete([manifest.key, manifest.manifestKey]); // as the lifecycle does
  expect(await copyBackup(context, id)).toMatchObject({ state: "copied" });
  expect(await secondKeys(context.secondStore!)).toEqual(
    [manifest.key, manifest.manifestKey].toSorted(),
  );
  expect(await context.secondStore!.readText(manifest.manifestKey)).toBe(own);
  await syncCopies(context, Date.now() + DAY);
  const keys = await secondKeys(context.secondStore!);
  expect(keys.filter((key) => key.includes(id)).length).toBeGreaterThan(2); // its proofs
  expect(keys.filter((key) => key.startsWith("pinned/"))).toEqual([]);
  await unpinBackup(context, id);
  expect(await copyBackup(context, id)).toMatchObject({ state: "copied" });
});

describe("a copy that is known to be good", () => {
  it("stays so when a later look does not reach it, and not when it differs", async () => {
    const secondStore = boundSecond("known/");
    const state = await copyBackup(contextOf(secondStore), shop.id);
    const away = boundSecond("known/", async () => {
      throw new Error("away");
    });
    await expect(copyBackup(contextOf(away), shop.id)).rejects.toMatchObject({
      code: "COPY_UNREACHABLE",
      hint: expect.stringContaining("COPY_BUCKET"),
    });
    expect(await stateOf(shop.id)).toEqual(state);
    const lying = {
      ...secondStore,
      read: async (_: string, __: number, length: number) => new Uint8Array(length),
    };
    await expect(copyBackup(contextOf(lying), shop.id)).rejects.toMatchObject({
      code: "COPY_DIFFERS",
    });
    expect(await stateOf(shop.id)).toMatchObject({ state: "failed" });
  });
});

describe("a run", () => {
  it("copies its backup, and is done also when that fails", async () => {
    const good = contextOf(boundSecond("run/"));
    expect(await backUp(good, manualRun("shop"))).toMatchObject({ state: "done", error: null });
    expect((await newestBackup(good.catalog, "shop"))!.copy).toMatchObject({ state: "copied" });

    let tries = 0;
    const away = boundSecond("run/", async (method) => {
      if (method === "head") tries++;
      throw new Error("away");
    });
    const bad = contextOf(away);
    expect(await backUp(bad, manualRun("shop"))).toMatchObject({ state: "done", error: null });
    expect((await newestBackup(bad.catalog, "shop"))!.copy).toMatchObject({
      state: "failed",
      error: { code: "COPY_UNREACHABLE" },
    });
    expect(tries).toBe(6);
    expect(logged).toContain("copy-abandoned");
  });

  it("leaves alone a database that is left out", async () => {
    const secondStore = boundSecond("left/");
    expect(await backUp(contextOf(secondStore), manualRun("left"))).toMatchObject({
      state: "done",
    });
    expect(await secondKeys(secondStore)).toEqual([]);
    expect((await newestBackup(contextOf(secondStore).catalog, "left"))!.copy).toBeNull();
  });
});

describe("what is not copied", () => {
  it.each([
    ['UPDATE backups SET verification = json(\'{"outcome":"corrupt"}\') WHERE id = ?', "bad"],
    ['UPDATE backups SET drill = json(\'{"outcome":"failed"}\') WHERE id = ?', "bad"],
  ])("is a backup that is known to be bad", async (sql, why) => {
    const { catalog } = testContext({});
    const { id, verification, drill } = (await findBackup(catalog, shop.id))!;
    await DB.prepare(sql).bind(id).run();
    const secondStore = boundSecond("bad/");
    await expect(copyBackup(contextOf(secondStore), id)).rejects.toMatchObject({
      code: "COPY_UNAVAILABLE",
      message: expect.stringContaining(why),
    });
    expect(await secondKeys(secondStore)).toEqual([]);
    await DB.prepare("UPDATE backups SET verification = ?, drill = ? WHERE id = ?")
      .bind(JSON.stringify(verification), JSON.stringify(drill), id)
      .run();
  });

  it("is anything where no copy is configured, and a database that is left out", async () => {
    const code = "COPY_UNAVAILABLE";
    await expect(copyBackup(testContext(DATABASES), shop.id)).rejects.toMatchObject({ code });
    const left = (await newestBackup(testContext({}).catalog, "left"))!;
    await expect(copyBackup(contextOf(boundSecond("x/")), left.id)).rejects.toMatchObject({ code });
  });
});

describe("the API", () => {
  it("copies, tells, and refuses what cannot be", async () => {
    const secondStore = boundSecond("api/");
    const api = apiOf(contextOf(secondStore));
    const copied = await api.json(`/v1/backups/${shop.id}/copy`, {}, 200);
    expect(copied).toMatchObject({
      backup: shop.id,
      state: "copied",
      to: secondStore.to,
      error: null,
    });
    const shown = { state: "copied", to: secondStore.to, at: copied["at"], error: null };
    expect((await api.json(`/v1/backups/${shop.id}`))["copy"]).toEqual(shown);
    const { backups } = await api.json("/v1/databases/shop/backups");
    expect(backups.find((one: Backup) => one.id === shop.id).copy).toEqual(shown);

    const away = apiOf(
      contextOf(boundSecond("api-away/", async () => Promise.reject(new Error("away")))),
    );
    expect(await away.json(`/v1/backups/${shop.id}/copy`, {}, 200)).toMatchObject({
      state: "failed",
      error: { code: "COPY_UNREACHABLE", hint: expect.any(String) },
    });
    await api.json("/v1/backups/000000000000/copy", {}, 404);
    const none = await apiOf(testContext(DATABASES)).json(`/v1/backups/${shop.id}/copy`, {}, 422);
    expect(none["code"]).toBe("COPY_UNAVAILABLE");
  });
});

it("shows no secret when the store refuses", async () => {
  const secret = "not-the-secret-at-all";
  const secondStore = s3Second("refused/", undefined, secret);
  await expect(copyBackup(contextOf(secondStore), shop.id)).rejects.toMatchObject({
    code: "COPY_REFUSED",
    message: expect.stringContaining("403"),
  });
  const { error } = (await stateOf(shop.id))!;
  const told = JSON.stringify(error) + logged;
  for (const hidden of [secret, inject("s3").keys.accessKeyId, inject("s3").keys.secretAccessKey])
    expect(told).not.toContain(hidden);
});
