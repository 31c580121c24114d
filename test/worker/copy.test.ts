import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { type Backup, enterBackup, findBackup, newestBackup } from "../../src/catalog/backups.ts";
import { copyBackup } from "../../src/jobs/second-copy/copy.ts";
import { syncCopies } from "../../src/jobs/second-copy/sync-copies.ts";
import { pinBackup, unpinBackup } from "../../src/jobs/retention/pin.ts";
import { DAY } from "../../src/plan/duration.ts";
import { writeManifest } from "../../src/store/document.ts";
import { apiOf } from "../support/api.ts";
import { backUp, manualRun, testContext } from "../support/context.ts";
import { boundFar, farKeys, FARS, s3Far } from "../support/far.ts";
import type { FarStore } from "../../src/store/second/far.ts";

/** Second copies: what is copied, what is refused, and what stands on the backup. */
const { BUCKET, DB } = env as unknown as { BUCKET: R2Bucket; DB: D1Database };
const DATABASES = {
  shop: { url: inject("shop"), capture: "dump" },
  left: { url: inject("shop"), capture: "dump", copy: false },
};
let shop: Backup;

beforeAll(async () => {
  vi.spyOn(console, "info").mockImplementation(() => {});
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

const contextOf = (far: FarStore, copy = {}) => testContext(DATABASES, { far, copy });
const stateOf = async (id: string) => (await findBackup(testContext({}).catalog, id))!.copy;

async function bytesAt(far: FarStore, key: string): Promise<Uint8Array> {
  return far.read(key, 0, (await far.size(key))!);
}

describe.each(Object.entries(FARS))("a copy to %s", (_kind, farOf) => {
  it("has the same keys and bytes, the manifest last, and says where it is", async () => {
    const order: string[] = [];
    const far = farOf("plain/", (what, call) => {
      order.push(what);
      return call();
    });
    const context = contextOf(far);
    expect((await findBackup(context.catalog, shop.id))!.copy?.to).not.toBe(far.to);
    const state = await copyBackup(context, shop.id);
    expect(state).toMatchObject({ state: "copied", to: far.to, error: null, uploadId: null });
    expect(await stateOf(shop.id)).toEqual(state);

    const { key, manifestKey } = shop.manifest;
    expect(await farKeys(far)).toEqual([key, manifestKey].toSorted());
    for (const one of [key, manifestKey])
      expect(await bytesAt(far, one)).toEqual(
        new Uint8Array(await (await BUCKET.get(one))!.arrayBuffer()),
      );
    const writes = order.filter((what) => /^(PUT|POST|put|create|upload|complete)/.test(what));
    expect(writes).toHaveLength(4);
    expect(writes.at(-1)).toMatch(/^put$|^PUT $/);
  });

  it("is read back and not written again when it is there", async () => {
    const far = farOf("again/");
    await copyBackup(contextOf(far), shop.id);
    const writes: string[] = [];
    const watched = farOf("again/", (what, call) => {
      if (!/^(GET|HEAD|get|head)/.test(what)) writes.push(what);
      return call();
    });
    expect(await copyBackup(contextOf(watched), shop.id)).toMatchObject({ state: "copied" });
    expect(writes).toEqual([]);
  });

  it("has many parts where it is large", async () => {
    const context = contextOf(farOf("large/"));
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
    expect(await context.far!.size(manifest.key)).toBe(bytes.length);
    await DB.prepare("DELETE FROM backups WHERE id = ?").bind(id).run();
    await BUCKET.delete([manifest.key, manifest.manifestKey]);
  });

  it.each([
    ["bytes of the same length", (bytes: Uint8Array) => bytes.map((byte) => byte ^ 1)],
    ["fewer bytes", (bytes: Uint8Array) => bytes.subarray(1)],
  ])("never writes over %s that lie there already", async (what, change) => {
    const far = farOf(`other-${what.length}/`);
    const { key } = shop.manifest;
    const near = new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
    const uploadId = await far.startUpload(key);
    const upload = far.upload(key, uploadId);
    await upload.complete([await upload.uploadPart(1, change(near).slice())]);
    const before = await bytesAt(far, key);
    await expect(copyBackup(contextOf(far), shop.id)).rejects.toMatchObject({
      code: "COPY_DIFFERS",
    });
    expect(await bytesAt(far, key)).toEqual(before);
    expect(await farKeys(far)).toEqual([key]);
    expect(await stateOf(shop.id)).toMatchObject({
      state: "failed",
      error: { code: "COPY_DIFFERS" },
    });
  });

  it("never writes over another manifest", async () => {
    const far = farOf("manifest/");
    await far.writeText(shop.manifest.manifestKey, "{}\n", {});
    await expect(copyBackup(contextOf(far), shop.id)).rejects.toMatchObject({
      code: "COPY_DIFFERS",
    });
    expect(await far.readText(shop.manifest.manifestKey)).toBe("{}\n");
  });

  it("does not begin to exist when the first bucket's bytes are damaged", async () => {
    const far = farOf("damaged/");
    const { key } = shop.manifest;
    const near = await (await BUCKET.get(key))!.arrayBuffer();
    const flipped = new Uint8Array(near.slice(0));
    flipped[flipped.length - 7]! ^= 8;
    await BUCKET.put(key, flipped);
    try {
      await expect(copyBackup(contextOf(far), shop.id)).rejects.toMatchObject({
        code: "OBJECT_CORRUPT",
      });
      expect(await farKeys(far)).toEqual([]);
      expect(await stateOf(shop.id)).toMatchObject({ state: "failed", uploadId: null });
    } finally {
      await BUCKET.put(key, near);
    }
  });

  it("lists more than one page, without its prefix", async () => {
    const far = farOf("many/");
    const keys = Array.from({ length: 1003 }, (_, at) => `k${String(at).padStart(4, "0")}.json`);
    for (let at = 0; at < keys.length; at += 20)
      await Promise.all(keys.slice(at, at + 20).map((key) => far.writeText(key, "{}", {})));
    expect(await farKeys(far)).toEqual(keys);
    await far.remove(keys);
    expect(await farKeys(far)).toEqual([]);
  });
});

it("of a pinned backup lies under the backup's own keys, with its own manifest", async () => {
  const context = contextOf(boundFar("pinned/"));
  await backUp(testContext(DATABASES), manualRun("shop"));
  const { id, manifest } = (await newestBackup(context.catalog, "shop"))!;
  const own = await (await BUCKET.get(manifest.manifestKey))!.text();
  await pinBackup(context, id, "user", "evidence");
  await BUCKET.delete([manifest.key, manifest.manifestKey]); // as the lifecycle does
  expect(await copyBackup(context, id)).toMatchObject({ state: "copied" });
  expect(await farKeys(context.far!)).toEqual([manifest.key, manifest.manifestKey].toSorted());
  expect(await context.far!.readText(manifest.manifestKey)).toBe(own);
  await syncCopies(context, Date.now() + DAY);
  const keys = await farKeys(context.far!);
  expect(keys.filter((key) => key.includes(id)).length).toBeGreaterThan(2); // its proofs
  expect(keys.filter((key) => key.startsWith("pinned/"))).toEqual([]);
  await unpinBackup(context, id);
  expect(await copyBackup(context, id)).toMatchObject({ state: "copied" });
});

describe("a copy that is known to be good", () => {
  it("stays so when a later look does not reach it, and not when it differs", async () => {
    const far = boundFar("known/");
    const state = await copyBackup(contextOf(far), shop.id);
    const away = boundFar("known/", async () => {
      throw new Error("away");
    });
    await expect(copyBackup(contextOf(away), shop.id)).rejects.toMatchObject({
      code: "COPY_UNREACHABLE",
      hint: expect.stringContaining("COPY_BUCKET"),
    });
    expect(await stateOf(shop.id)).toEqual(state);
    const lying = {
      ...far,
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
    const good = contextOf(boundFar("run/"));
    expect(await backUp(good, manualRun("shop"))).toMatchObject({ state: "done", error: null });
    expect((await newestBackup(good.catalog, "shop"))!.copy).toMatchObject({ state: "copied" });

    let tries = 0;
    const away = boundFar("run/", async (method) => {
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
    const far = boundFar("left/");
    expect(await backUp(contextOf(far), manualRun("left"))).toMatchObject({ state: "done" });
    expect(await farKeys(far)).toEqual([]);
    expect((await newestBackup(contextOf(far).catalog, "left"))!.copy).toBeNull();
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
    const far = boundFar("bad/");
    await expect(copyBackup(contextOf(far), id)).rejects.toMatchObject({
      code: "COPY_UNAVAILABLE",
      message: expect.stringContaining(why),
    });
    expect(await farKeys(far)).toEqual([]);
    await DB.prepare("UPDATE backups SET verification = ?, drill = ? WHERE id = ?")
      .bind(JSON.stringify(verification), JSON.stringify(drill), id)
      .run();
  });

  it("is anything where no copy is configured, and a database that is left out", async () => {
    const code = "COPY_UNAVAILABLE";
    await expect(copyBackup(testContext(DATABASES), shop.id)).rejects.toMatchObject({ code });
    const left = (await newestBackup(testContext({}).catalog, "left"))!;
    await expect(copyBackup(contextOf(boundFar("x/")), left.id)).rejects.toMatchObject({ code });
  });
});

describe("the API", () => {
  it("copies, tells, and refuses what cannot be", async () => {
    const far = boundFar("api/");
    const api = apiOf(contextOf(far));
    const copied = await api.json(`/v1/backups/${shop.id}/copy`, {}, 200);
    expect(copied).toMatchObject({ backup: shop.id, state: "copied", to: far.to, error: null });
    const shown = { state: "copied", to: far.to, at: copied["at"], error: null };
    expect((await api.json(`/v1/backups/${shop.id}`))["copy"]).toEqual(shown);
    const { backups } = await api.json("/v1/databases/shop/backups");
    expect(backups.find((one: Backup) => one.id === shop.id).copy).toEqual(shown);

    const away = apiOf(
      contextOf(boundFar("api-away/", async () => Promise.reject(new Error("away")))),
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
  const far = s3Far("refused/", undefined, secret);
  await expect(copyBackup(contextOf(far), shop.id)).rejects.toMatchObject({
    code: "COPY_REFUSED",
    message: expect.stringContaining("403"),
  });
  const { error } = (await stateOf(shop.id))!;
  const told = JSON.stringify(error) + logged;
  for (const hidden of [secret, inject("s3").keys.accessKeyId, inject("s3").keys.secretAccessKey])
    expect(told).not.toContain(hidden);
});
