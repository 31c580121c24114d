import { env } from "cloudflare:workers";
import { afterEach, describe, expect, inject, it, vi } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { uploadsOf } from "../../../src/catalog/uploads.ts";
import { systemDeps } from "../../../src/core/deps.ts";
import { zstdDecompress } from "../../../src/format/bytes/codec.ts";
import { readDump } from "../../../src/source/dump.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";
import { allKeys, backUp, backupKeys, manualRun, testContext } from "../../support/context.ts";

const SHOP = inject("shop");
const FAULTS = inject("faults");
const { BUCKET } = env;

async function sourceDump(): Promise<Uint8Array> {
  const response = await fetch(`${SHOP}/dump?preserve_row_ids=true`, {
    headers: { "accept-encoding": "identity" },
  });
  return new Uint8Array(await response.arrayBuffer());
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

afterEach(() => vi.restoreAllMocks());

describe("a backup of a healthy server", () => {
  it("holds the server's dump byte for byte, under the key and manifest of the design", async () => {
    const context = testContext({ shop: { url: SHOP, capture: "dump" } });
    const run = await backUp(context, { ...manualRun("shop"), name: "before", labels: { a: "b" } });
    expect(run).toMatchObject({ state: "done", attempt: 1, error: null });

    const backup = (await newestBackup(context.catalog, "shop"))!;
    const { manifest } = backup;
    expect(manifest.key).toMatch(/^manual\/shop\/\d{8}T\d{6}Z-[0-9a-z]{12}\.sql\.zst$/);
    expect(await backupKeys()).toEqual([manifest.manifestKey, manifest.key].toSorted());
    const stored = await BUCKET.get(manifest.key);
    const storedBytes = new Uint8Array(await stored!.arrayBuffer());
    const sql = await gather(zstdDecompress(new Blob([storedBytes]).stream()));
    expect(await sha256(sql)).toBe(await sha256(await sourceDump()));
    expect(manifest).toMatchObject({
      format: 1,
      database: "shop",
      tier: "manual",
      name: "before",
      labels: { a: "b" },
      raw: { bytes: sql.length, sha256: await sha256(sql) },
      stored: { bytes: storedBytes.length, sha256: await sha256(storedBytes) },
      source: { unknown: [] },
      schema: { userVersion: 7, migration: null },
      rows: 51_843,
    });
    expect(manifest.source.version).toMatch(/^sqld 0\./);
    expect(manifest.tables).toContainEqual({ name: "orders", rows: 14_000 });
    const written = await (await BUCKET.get(manifest.manifestKey))!.json();
    expect(written).toEqual(manifest);
    expect(await uploadsOf(context.catalog, "shop")).toEqual([]);
  });

  it("is complete without the facts that only Hrana tells, and says which are missing", async () => {
    const context = testContext({ shop: { url: SHOP, capture: "dump" } });
    const { fetch } = context.deps;
    context.deps.fetch = async (url, init) =>
      url.endsWith("/dump?preserve_row_ids=true")
        ? fetch(url, init)
        : new Response("", { status: 405 });
    const run = await backUp(context, manualRun("shop"));
    expect(run.state).toBe("done");
    const { manifest } = (await newestBackup(context.catalog, "shop"))!;
    expect(manifest.schema.userVersion).toBeNull();
    expect(manifest.source.unknown).toHaveLength(2);
  });
});

/** Run a backup against a spoilt upstream: it must fail with the code and leave nothing. */
async function expectFailure(fault: string, code: string, options: object = {}): Promise<string> {
  const before = await allKeys();
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  const context = testContext({
    bad: { capture: "dump", url: `${FAULTS}/${fault}`, attempts: 1, ...options },
  });
  const run = await backUp(context, manualRun("bad"));
  expect.soft(run.state, fault).toBe("failed");
  expect.soft(run.error?.code, fault).toBe(code);
  expect.soft(run.error?.hint, fault).toBeTruthy();
  expect.soft(await newestBackup(context.catalog, "bad"), fault).toBeUndefined();
  expect.soft(await allKeys(), fault).toEqual(before);
  expect.soft(logged.mock.calls.flat().join("\n"), fault).toContain(`"code":"${code}"`);
  return run.error?.message ?? "";
}

describe("a backup of a spoilt dump", () => {
  it("fails wherever the connection is cut", async () => {
    const { length } = await sourceDump();
    const places = [0, 1, 24, 25, 43, 44, length - 9, length - 8, length - 1];
    for (let count = 0; count < 20; count++) places.push(Math.floor(Math.random() * length));
    for (const place of places) await expectFailure(`cut/${place}`, "SOURCE_CUT");
  });

  it("fails wherever it ends early, however cleanly", async () => {
    const { length } = await sourceDump();
    const places = [0, 1, 24, 25, 43, 44, length - 9, length - 8, length - 2, length - 1];
    for (let count = 0; count < 20; count++) places.push(Math.floor(Math.random() * length));
    for (const place of places) await expectFailure(`end/${place}`, "DUMP_INCOMPLETE");
  });

  it("fails when the length is a lie", async () => {
    await expectFailure("long/1", "SOURCE_CUT");
    await expectFailure("long/100000", "SOURCE_CUT");
    await expectFailure("short/1", "DUMP_INCOMPLETE");
    await expectFailure("short/9000", "DUMP_INCOMPLETE");
  });

  it("fails when something follows the end", async () => {
    await expectFailure("pad/%0A", "DUMP_INCOMPLETE");
    await expectFailure("pad/DROP TABLE x;%0A".replaceAll(" ", "%20"), "DUMP_INVALID");
    await expectFailure("pad/x", "DUMP_INCOMPLETE");
  });

  it("fails on every answer that is no dump", async () => {
    await expectFailure("html/-", "DUMP_INVALID");
    await expectFailure("gzip/-", "DUMP_INVALID");
    await expectFailure("redirect/%2Felsewhere", "DUMP_INVALID");
    await expectFailure("status/401", "SOURCE_UNAUTHORIZED");
    await expectFailure("status/403", "SOURCE_UNAUTHORIZED");
    await expectFailure("status/404", "SOURCE_NOT_FOUND");
    await expectFailure("status/500", "SOURCE_ERROR");
    await expectFailure("status/503", "SOURCE_ERROR");
  });

  it("fails when the server falls silent", async () => {
    await expectFailure("silent/-", "SOURCE_STALLED", { stall: "1s" });
    await expectFailure("stall/0", "SOURCE_STALLED", { stall: "1s" });
    await expectFailure("stall/300000", "SOURCE_STALLED", { stall: "1s" });
  });

  it("fails when nobody listens", async () => {
    const context = testContext({
      gone: { url: "http://127.0.0.1:9", attempts: 1, capture: "dump" },
    });
    const run = await backUp(context, manualRun("gone"));
    expect(run.error?.code).toBe("SOURCE_UNREACHABLE");
  });

  it("tries again what may pass, and at once gives up what will not", async () => {
    const passing = testContext({
      bad: { capture: "dump", url: `${FAULTS}/status/500`, attempts: 3 },
    });
    expect(await backUp(passing, manualRun("bad"))).toMatchObject({ state: "failed", attempt: 3 });
    const lasting = testContext({
      bad: { capture: "dump", url: `${FAULTS}/status/401`, attempts: 3 },
    });
    expect(await backUp(lasting, manualRun("bad"))).toMatchObject({ state: "failed", attempt: 1 });
  });

  it("blames no server for a reader that is slow", async () => {
    const source = { url: SHOP, token: undefined, namespace: undefined, stallMs: 200 };
    let bytes = 0;
    for await (const chunk of readDump(source, systemDeps)) {
      if (bytes === 0) await systemDeps.sleep(900);
      bytes += chunk.length;
    }
    expect(bytes).toBe((await sourceDump()).length);
  });

  it("repeats the token nowhere, whichever answer echoes it", async () => {
    const databases = { bad: { url: SHOP, capture: "dump", attempts: 1, token: "BAD_TOKEN" } };
    const secrets = { BAD_TOKEN: "very-secret-token" };
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const echoing = testContext(databases, { secrets });
    const { fetch } = echoing.deps;
    echoing.deps.fetch = async (url, init) =>
      url.includes("/dump") ? fetch(url, init) : new Response("Bearer very-secret-token");
    expect((await backUp(echoing, manualRun("bad"))).state).toBe("done");
    const { manifest } = (await newestBackup(echoing.catalog, "bad"))!;
    expect(manifest.source.version).toBe("Bearer [token]");
    const page = testContext(databases, { secrets });
    page.deps.fetch = async () => new Response("You sent very-secret-token");
    const run = await backUp(page, manualRun("bad"));
    expect(run.error?.message).toContain("You sent [token]");
    expect(JSON.stringify([manifest, run, logged.mock.calls])).not.toContain("very-secret");
  });

  it("never repeats the token that an error echoes", async () => {
    const context = testContext(
      { bad: { capture: "dump", url: `${FAULTS}/echo/-`, attempts: 1, token: "BAD_TOKEN" } },
      { secrets: { BAD_TOKEN: "very-secret-token" } },
    );
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const run = await backUp(context, manualRun("bad"));
    expect(run.error?.message).toContain("refused Bearer [token]");
    expect(JSON.stringify(run) + logged.mock.calls.join("")).not.toContain("very-secret");
  });
});
