import { createHash } from "node:crypto";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { findBackup, listBackups } from "../../../src/catalog/backups.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { pinBackup, unpinBackup } from "../../../src/jobs/retention/pin.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { backUpAt, bytesAt, entry, newestOf, NOW, ownKeys } from "../../support/aged-backups.ts";
import { apiOf } from "../../support/api.ts";
import { testContext } from "../../support/context.ts";
import { intercepted, KilledError } from "../../support/failing.ts";

const { BUCKET, DB } = env;

describe("a pin by hand", () => {
  it("keeps a backup until it is taken off, and then until the policy lets go", async () => {
    const context = await backUpAt("mine", [20, 1]);
    const [newest, older] = await listBackups(context.catalog, "mine", 10);
    const { call, json } = apiOf(context);
    const pinned = await json(`/v1/backups/${older!.id}/pin`, { reason: "audit 2026" }, 200);
    expect(pinned).toMatchObject({ id: older!.id, pin: { by: "user", reason: "audit 2026" } });
    expect(pinned["key"]).toBe(`pinned/${older!.manifest.key}`);

    await BUCKET.delete([older!.manifest.key, older!.manifest.manifestKey]); // the lifecycle
    await prune(context, NOW + 4000 * DAY, false);
    expect(await findBackup(context.catalog, older!.id)).toBeDefined();
    const list = await json("/v1/databases/mine/backups");
    expect((list["backups"] as { pin: object | null }[]).map(({ pin }) => pin)).toEqual([
      expect.objectContaining({ by: "policy" }),
      expect.objectContaining({ by: "user" }),
    ]);

    expect((await call(`/v1/backups/${older!.id}/pin`, undefined, "DELETE")).status).toBe(200);
    await prune(context, NOW, false); // still in its age, but its own objects are deleted
    expect(await BUCKET.head(pinned["key"] as string)).not.toBeNull();
    await prune(context, NOW + 4000 * DAY, false);
    expect(await findBackup(context.catalog, older!.id)).toBeUndefined();
    expect(await findBackup(context.catalog, newest!.id)).toBeDefined();
    expect((await ownKeys("mine")).filter((key) => key.includes(older!.id))).toEqual([]);
  });

  it("leaves nothing behind when it is taken off a young backup", async () => {
    const context = await backUpAt("young", [1]);
    const before = await newestOf(context, "young");
    const keys = await ownKeys("young");
    await pinBackup(context, before.id, "user", "-");
    await prune(context, NOW, false);
    expect(await ownKeys("young")).toHaveLength(4);
    await unpinBackup(context, before.id);
    await prune(context, NOW, false);
    expect(await newestOf(context, "young")).toEqual(before);
    expect(await ownKeys("young")).toEqual(keys);
  });

  it("takes over the policy's pin, which never takes over it", async () => {
    const context = await backUpAt("both", [29]);
    await prune(context, NOW, false);
    const { id, manifest } = await newestOf(context, "both");
    await pinBackup(context, id, "user", "first");
    await pinBackup(context, id, "user", "second");
    await pinBackup(context, id, "policy", "-");
    const after = (await findBackup(context.catalog, id))!.manifest;
    expect(after).toEqual({
      ...manifest,
      pin: { by: "user", reason: "second", at: expect.any(String) },
    });
    expect(await (await BUCKET.get(after.manifestKey))!.json()).toEqual(after);
    await BUCKET.delete(after.manifestKey);
    await prune(context, NOW, false); // makes it again, and it still belongs to a user
    expect(await (await BUCKET.get(after.manifestKey))!.json()).toEqual(after);
  });

  it("leaves the backup good where it was changed by a Worker that died before it told the catalog", async () => {
    const name = "overwritten";
    const { id } = await newestOf(await backUpAt(name, [1]), name);
    const anew = () => testContext({ [name]: entry() });
    await pinBackup(anew(), id, "user", "first");
    let killed = false;
    const store = intercepted({ BUCKET, DB }, async (_owner, method, call) => {
      if (killed) throw new KilledError();
      const result = await call();
      killed = method === "put";
      return result;
    });
    const dying = pinBackup(testContext({ [name]: entry() }, store), id, "user", "the second");
    await expect(dying).rejects.toThrow("killed");

    const { manifestKey } = (await newestOf(anew(), name)).manifest;
    expect((await prove(anew(), id, "verify")).problem).toBeNull();
    expect(
      await anew()
        .bucket.get(manifestKey)
        .then((object) => object!.json()),
    ).toMatchObject({
      pin: { reason: "the second" },
    });

    // Without our key it cannot be changed, even if the hash beside it is right.
    const { customMetadata } = (await BUCKET.head(manifestKey))!;
    const text = await (await BUCKET.get(manifestKey))!.text();
    const other = text.replace("the second", "nobody at all");
    const sha256 = createHash("sha256").update(other).digest("hex");
    await BUCKET.put(manifestKey, other, { customMetadata: { ...customMetadata, sha256 } });
    expect((await prove(anew(), id, "verify")).problem).toMatchObject({ code: "OBJECT_CORRUPT" });
  });

  it.each(["list", "delete"])(
    "survives a prune that had already condemned the backup, and is at its %s",
    async (at) => {
      const name = `race-${at}`;
      const context = await backUpAt(name, [40, 1]);
      const [, old] = await listBackups(context.catalog, name, 10);
      let pinned = false;
      const bucket = new Proxy(BUCKET, {
        get: (target, member) => {
          const value: unknown = Reflect.get(target, member, target);
          if (typeof value !== "function") return value;
          return async (...args: unknown[]) => {
            if (member === at && !pinned && JSON.stringify(args).includes(`manual/${name}/`)) {
              pinned = true;
              await pinBackup(context, old!.id, "user", "just in time");
            }
            return Reflect.apply(value, target, args) as unknown;
          };
        },
      });
      await prune(testContext({ [name]: entry() }, { bucket }), NOW, false);
      const kept = await findBackup(context.catalog, old!.id);
      expect(kept!.manifest.pin).toMatchObject({ by: "user" });
      expect((await BUCKET.head(kept!.manifest.key))!.size).toBe(kept!.manifest.stored.bytes);
    },
  );

  it("is refused for a backup that is not there or corrupt, and cannot be taken off where there is none", async () => {
    const context = await backUpAt("refused", [1]);
    const { id, manifest } = await newestOf(context, "refused");
    const { call } = apiOf(context);
    const answer = async (path: string, body?: object, method?: string) => {
      const response = await call(path, body, method);
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect(await answer("/v1/backups/nothing/pin", {})).toEqual([404, "BACKUP_NOT_FOUND"]);
    expect(await answer(`/v1/backups/${id}/pin`, { reason: "" })).toEqual([400, "REQUEST_INVALID"]);
    expect(await answer(`/v1/backups/${id}/pin`, undefined, "DELETE")).toEqual([
      404,
      "PIN_NOT_FOUND",
    ]);
    const bytes = await bytesAt(manifest.key);
    bytes[99]! ^= 4;
    await BUCKET.put(manifest.key, bytes);
    expect(await answer(`/v1/backups/${id}/pin`, {})).toEqual([502, "OBJECT_CORRUPT"]);
    expect((await ownKeys("refused")).filter((key) => key.startsWith("pinned/"))).toEqual([]);
  });
});
