import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { findBackup, listBackups } from "../../../src/catalog/backups.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { manifestKey, pinnedKey, proofKey } from "../../../src/store/keys.ts";
import { apiOf } from "../../support/api.ts";
import { backUpAt, bytesAt, entry, newestOf, NOW, ownKeys } from "../../support/aged-backups.ts";
import { testContext } from "../../support/context.ts";
import { failing, KilledError } from "../../support/failing.ts";

const { BUCKET, DB } = env;

describe("a backup that the policy keeps past its age", () => {
  it("is copied before R2's lifecycle takes it, and serves from the copy", async () => {
    const context = await backUpAt("kept", [25]);
    const before = await newestOf(context, "kept");
    const stored = await bytesAt(before.manifest.key);
    const proof = proofKey(manifestKey(before), NOW);
    await context.bucket.put(proof, '{"outcome":"verified"}');

    const dry = await prune(context, NOW, true);
    expect(dry.pins.map(({ id }) => id)).toContain(before.id);
    expect(await ownKeys("kept")).toHaveLength(3);
    await prune(context, NOW, false);

    const after = await newestOf(context, "kept");
    const { key, manifestKey: copyKey } = after.manifest;
    expect(key).toBe(`pinned/${before.manifest.key}`);
    expect(after.manifest).toEqual({
      ...before.manifest,
      key,
      manifestKey: copyKey,
      pin: { by: "policy", reason: expect.any(String), at: expect.any(String) },
    });
    expect(await bytesAt(key)).toEqual(stored);
    expect(await (await BUCKET.get(copyKey))!.json()).toEqual(after.manifest);
    expect(await (await BUCKET.get(pinnedKey(proof)))!.json()).toEqual({ outcome: "verified" });
    // Its own objects stay until its age is over, and are then deleted.
    expect(await ownKeys("kept")).toHaveLength(6);
    await prune(context, NOW + 5 * DAY, false);
    expect(await ownKeys("kept")).toEqual([proof, ...[key, copyKey, pinnedKey(proof)]].toSorted());

    const { json, bytes } = apiOf(context);
    const link = await json(`/v1/backups/${after.id}/links`, { format: "db.zst" });
    expect(await bytes(link["url"] as string)).toEqual(stored);
    const sql = await json(`/v1/backups/${after.id}/links`, { format: "sql" });
    expect(new TextDecoder().decode(await bytes(sql["url"] as string))).toContain("CREATE TABLE");
    const query = { sql: "SELECT count(*) FROM sqlite_schema" };
    expect((await json(`/v1/backups/${after.id}/query`, query, 200))["rows"]).toHaveLength(1);
  });

  it("is deleted from both places as soon as its tier has a newer one", async () => {
    const context = await backUpAt("replaced", [29]);
    await prune(context, NOW, false);
    const old = await newestOf(context, "replaced");
    expect(old.manifest.pin).toMatchObject({ by: "policy" });
    await context.bucket.put(proofKey(manifestKey(old), NOW), "{}");
    await backUpAt("replaced", [0]);
    await prune(context, NOW + 2 * DAY, false);
    const left = await listBackups(context.catalog, "replaced", 10);
    expect(left.map(({ id }) => id)).not.toContain(old.id);
    const { key, manifestKey: own } = left[0]!.manifest;
    expect(await ownKeys("replaced")).toEqual([own, key].toSorted());
  });

  it.each(["bucket", "db"] as const)(
    "is whole in one place or both when the prune is killed at any call to the %s, and the next one finishes",
    async (part) => {
      for (let call = 1; ; call++) {
        const name = `killed-${part}-${call}`;
        const context = await backUpAt(name, [60, 31]);
        const before = await newestOf(context, name);
        await context.bucket.put(proofKey(manifestKey(before), NOW), "{}");
        const fault = failing({ BUCKET, DB }, part, call, () => new KilledError());
        const databases = { [name]: entry() };
        await prune(testContext(databases, fault), NOW, false).catch(() => {});
        const when = `killed at call ${call} of the ${part}: ${fault.what()}`;

        const between = await newestOf(context, name);
        expect(between.id, when).toBe(before.id);
        expect((await BUCKET.head(between.manifest.key))?.size, when).toBe(
          before.manifest.stored.bytes,
        );
        // A copy without its bytes never looks complete.
        if ((await BUCKET.head(pinnedKey(manifestKey(before)))) !== null)
          expect(await BUCKET.head(pinnedKey(before.manifest.key)), when).not.toBeNull();

        expect((await prune(context, NOW, false)).failures, when).toEqual([]);
        expect(await listBackups(context.catalog, name, 10), when).toHaveLength(1);
        const { key, manifestKey: copy, pin } = (await newestOf(context, name)).manifest;
        expect(pin, when).toMatchObject({ by: "policy" });
        const proof = proofKey(manifestKey(before), NOW);
        expect(await ownKeys(name), when).toEqual([proof, pinnedKey(proof), key, copy].toSorted());
        if (!fault.happened()) break;
      }
    },
  );

  it("blocks deletions of its own database when it cannot be copied, and of no other", async () => {
    const context = await backUpAt("blocked", [90, 29]);
    const other = await backUpAt("other", [90, 1]);
    const bucket = new Proxy(BUCKET, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (name === "createMultipartUpload") return () => Promise.reject(new Error("full"));
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    const databases = { blocked: entry(), other: entry() };
    const { failures } = await prune(testContext(databases, { bucket }), NOW, false);
    expect(failures).toMatchObject([
      { backup: { database: "blocked" }, error: { code: "STORE_FAILED" } },
    ]);
    expect(await listBackups(context.catalog, "blocked", 10)).toHaveLength(2);
    expect(await listBackups(other.catalog, "other", 10)).toHaveLength(1);
    const report = await apiOf(testContext(databases, { bucket })).json(
      "/v1/prune",
      { dryRun: false },
      200,
    );
    expect(report["failures"]).toMatchObject([{ database: "blocked", code: "STORE_FAILED" }]);
    await prune(context, NOW, false);
    expect(await listBackups(context.catalog, "blocked", 10)).toHaveLength(1);
  });

  it("is not the newest when its bytes prove corrupt: the next one is copied too, and nothing goes", async () => {
    const context = await backUpAt("rotten", [60, 28, 27]);
    const [newest, second] = await listBackups(context.catalog, "rotten", 10);
    const bytes = await bytesAt(newest!.manifest.key);
    bytes[bytes.length >> 1]! ^= 1;
    await BUCKET.put(newest!.manifest.key, bytes);
    const { failures } = await prune(context, NOW, false);
    expect(failures).toMatchObject([
      { backup: { id: newest!.id }, error: { code: "OBJECT_CORRUPT" } },
    ]);
    expect(await listBackups(context.catalog, "rotten", 10)).toHaveLength(3);
    const pinned = await findBackup(context.catalog, second!.id);
    expect(pinned!.manifest.pin).toMatchObject({ by: "policy" });
    expect(await BUCKET.head(pinnedKey(newest!.manifest.key))).toBeNull();
  });

  it("is copied again from its own objects when its copy is gone, and let go when both are", async () => {
    const context = await backUpAt("lost", [60, 28]);
    await prune(context, NOW, false);
    const { id, manifest } = await newestOf(context, "lost");
    for (const key of [manifest.key, manifest.manifestKey]) {
      await BUCKET.delete(key);
      expect((await prune(context, NOW, false)).failures).toEqual([]);
      expect(await BUCKET.head(key)).not.toBeNull();
    }
    await BUCKET.delete([manifest.key, manifest.key.replace("pinned/", "")]);
    await prune(context, NOW, false);
    expect(await findBackup(context.catalog, id)).toBeUndefined();
    expect(await ownKeys("lost")).toEqual([]);
  });

  it("is served from what a killed pin has left, if that is whole, when its own objects are gone", async () => {
    const context = await backUpAt("left", [60]);
    const { id, manifest } = await newestOf(context, "left");
    const bytes = await bytesAt(manifest.key);
    const rotten = bytes.slice();
    rotten[rotten.length >> 1]! ^= 1;
    const copy = pinnedKey(manifest.key);
    await BUCKET.put(copy, rotten);
    await BUCKET.delete([manifest.key, manifest.manifestKey]);
    expect((await prune(context, NOW, false)).failures).toMatchObject([
      { backup: { id }, error: { code: "OBJECT_CORRUPT" } },
    ]);
    expect(await bytesAt(copy)).toEqual(rotten); // the last one there is

    await BUCKET.put(copy, bytes);
    expect((await prune(context, NOW, false)).failures).toEqual([]);
    expect((await newestOf(context, "left")).manifest.key).toBe(copy);
  });

  it("is copied anew where a killed pin has left something else", async () => {
    const context = await backUpAt("anew", [29]);
    const { manifest } = await newestOf(context, "anew");
    const copy = pinnedKey(manifest.key);
    await BUCKET.put(copy, "half of it");
    expect((await prune(context, NOW, false)).failures).toEqual([]);
    expect(await bytesAt(copy)).toEqual(await bytesAt(manifest.key));
  });

  it("leaves no copy for good where a pin was killed and is not needed after all", async () => {
    const context = await backUpAt("stray", [1]);
    const { manifest } = await newestOf(context, "stray");
    const keys = await ownKeys("stray");
    for (const key of [manifest.key, manifest.manifestKey])
      await BUCKET.put(pinnedKey(key), await bytesAt(key));
    await prune(context, NOW, false); // it may be a copy in progress
    expect(await ownKeys("stray")).toHaveLength(4);
    await prune(context, NOW + 2 * DAY, false);
    expect(await ownKeys("stray")).toEqual(keys);
    expect((await newestOf(context, "stray")).manifest).toEqual(manifest);
  });

  it("goes back to its own key when its age has grown", async () => {
    const context = await backUpAt("grown", [28]);
    await prune(context, NOW, false);
    expect((await newestOf(context, "grown")).manifest.pin).toBeDefined();
    const longer = testContext({ grown: entry({ retain: { manual: "forever" } }) });
    await prune(longer, NOW, false);
    const { key, manifestKey: own, pin } = (await newestOf(context, "grown")).manifest;
    expect(pin).toBeUndefined();
    expect(await ownKeys("grown")).toEqual([own, key].toSorted());
  });
});
