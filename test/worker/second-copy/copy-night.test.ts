import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { type Backup, findBackup, listBackups } from "../../../src/catalog/backups.ts";
import { copyBackup } from "../../../src/jobs/second-copy/copy.ts";
import { syncCopies } from "../../../src/jobs/second-copy/sync-copies.ts";
import { runNightly } from "../../../src/jobs/schedule/nightly.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import { rebuild } from "../../../src/jobs/recovery/rebuild.ts";
import { DAY, HOUR } from "../../../src/plan/duration.ts";
import { writeDocument } from "../../../src/store/document.ts";
import type { SecondStore } from "../../../src/store/second/second-store.ts";
import { secondR2 } from "../../../src/store/second/r2.ts";
import { allKeys, backUp, manualRun, testContext } from "../../support/context.ts";
import { boundSecond, secondKeys } from "../../support/second-store.ts";

/** The nightly work on second copies. */
const { BUCKET, DB, COPY_BUCKET } = env;
const DATABASES = {
  shop: { url: inject("small"), capture: "dump", retain: { manual: "30d" } },
  left: { url: inject("small"), capture: "dump", copy: false },
};
const later = Date.now() + DAY;
let shop: Backup[];
let logged = "";

beforeAll(async () => {
  const context = testContext(DATABASES);
  for (const [at, name] of ["shop", "left", "shop", "shop"].entries()) {
    context.deps.now = () => Date.now() + (at - 4) * 1000;
    expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
  }
  shop = (await listBackups(context.catalog, "shop", 3)).toReversed(); // the oldest first
  // In order of their keys too, which have whole seconds.
  expect(shop.map(({ manifest }) => manifest.key)).toEqual(
    shop.map(({ manifest }) => manifest.key).toSorted(),
  );
});
beforeEach(async () => {
  logged = "";
  vi.spyOn(console, "error").mockImplementation((line: string) => void (logged += line));
  await DB.prepare("UPDATE backups SET copy = NULL").run();
});

function contextOf(
  secondStore: SecondStore,
  copy: object = {},
  databases: Record<string, object> = DATABASES,
) {
  return testContext(databases, { secondStore, copy });
}

const begun = ({ copiesStarted }: { copiesStarted: string[] }) =>
  copiesStarted.map((id) => id.split("-")[1]);

describe("the night", () => {
  it("begins the copies that lack, the oldest first and those that failed last", async () => {
    const secondStore = boundSecond("begin/");
    const context = contextOf(secondStore);
    await syncCopies(context, Date.now());
    expect(context.copiesStarted).toEqual([]); // their own runs do this
    await syncCopies(context, later);
    expect(begun(context)).toEqual(shop.map(({ id }) => id));
    expect(context.copiesStarted[0]).toMatch(/^copy-\w{12}-\d+$/);

    const away = boundSecond("begin/", async (what, call) => {
      if (what === "createMultipartUpload") throw new Error("away");
      return call();
    });
    await copyBackup(contextOf(away), shop[0]!.id).catch(() => {});
    await copyBackup(contextOf(secondStore), shop[1]!.id);
    const next = contextOf(secondStore);
    await syncCopies(next, later);
    expect(begun(next)).toEqual([shop[2]!.id, shop[0]!.id]);
  });

  it("goes by what lies there, not by what the catalog remembers", async () => {
    const secondStore = boundSecond("gone/");
    for (const { id } of shop) await copyBackup(contextOf(secondStore), id);
    await secondStore.remove([shop[0]!.manifest.key]);
    await secondStore.remove([shop[1]!.manifest.manifestKey]);
    const context = contextOf(secondStore);
    await syncCopies(context, later);
    expect(begun(context)).toEqual([shop[0]!.id, shop[1]!.id]);
    for (const { id } of shop) await copyBackup(contextOf(secondStore), id);
    const whole = contextOf(secondStore);
    await syncCopies(whole, later);
    expect(whole.copiesStarted).toEqual([]);
    const elsewhere = contextOf(boundSecond("elsewhere/"));
    await syncCopies(elsewhere, later);
    expect(begun(elsewhere)).toHaveLength(3);
  });

  it("leaves a copy under way alone, until it must be dead", async () => {
    const secondStore = boundSecond("under-way/");
    const copying = (at: number) =>
      DB.prepare("UPDATE backups SET copy = ? WHERE id = ?")
        .bind(
          JSON.stringify({
            ...{ state: "copying", at: new Date(at).toISOString(), to: secondStore.to },
            ...{ error: null, uploadId: null },
          }),
          shop[0]!.id,
        )
        .run();
    await copying(later - HOUR);
    const young = contextOf(secondStore);
    await syncCopies(young, later);
    expect(begun(young)).not.toContain(shop[0]!.id);
    await copying(later - 4 * HOUR);
    const old = contextOf(secondStore);
    await syncCopies(old, later);
    expect(begun(old)).toContain(shop[0]!.id);
  });

  it("copies the proofs that lie beside a copied backup, also later ones", async () => {
    const secondStore = boundSecond("proofs/");
    const context = contextOf(secondStore);
    const { id, manifest } = shop[0]!;
    await copyBackup(context, id);
    const stem = manifest.manifestKey.replace(/json$/, "");
    const proofs = async () =>
      (await secondKeys(secondStore)).filter((key) => key.includes(".proof-"));
    const near = async () =>
      (await allKeys(undefined, stem)).filter((key) => key.includes(".proof-"));
    await syncCopies(context, later);
    expect(await proofs()).toEqual(await near());
    await prove(context, id, "verify");
    await syncCopies(context, later);
    expect(await proofs()).toEqual(await near());
    expect((await proofs()).length).toBeGreaterThan(2);
  });

  it("copies erasure lists, without which erased rows would come back", async () => {
    const secondStore = boundSecond("erasures/");
    const key = "erasures/shop/20261121T000000Z-00000000000a.json";
    await writeDocument(contextOf(secondStore).bucket, key, "{}\n");
    await syncCopies(contextOf(secondStore), later);
    expect(await secondStore.readText(key)).toBe("{}\n");
    await BUCKET.delete(key);
  });

  it("says that the store is away, after the rest of its work", async () => {
    const secondStore = boundSecond("away/", async () => Promise.reject(new Error("away")));
    await expect(runNightly(contextOf(secondStore), Date.now())).rejects.toMatchObject({
      code: "COPY_UNREACHABLE",
    });
    expect(logged).toContain("copies-failed");
  });
});

describe("what the policy lets go", () => {
  /** Copy the three backups and their proofs to a second store. */
  async function lost(prefix: string): Promise<SecondStore> {
    const secondStore = boundSecond(prefix);
    for (const { id } of shop) await copyBackup(contextOf(secondStore), id);
    await syncCopies(contextOf(secondStore), later);
    return secondStore;
  }
  const forgotten = async (action: () => Promise<void>) => {
    const { results } = await DB.prepare("SELECT * FROM backups").all<Record<string, unknown>>();
    await DB.prepare("DELETE FROM backups").run();
    try {
      await action();
    } finally {
      for (const row of results) {
        const names = Object.keys(row);
        const sql = `INSERT INTO backups (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`;
        await DB.prepare(sql)
          .bind(...Object.values(row))
          .run();
      }
    }
  };
  const ids = async (secondStore: SecondStore) => [
    ...new Set((await secondKeys(secondStore)).map((key) => /-(\w{12})\./.exec(key)![1])),
  ];
  const past = Date.now() + 31 * DAY;

  it("stays while the catalog has it, and goes when it does not, but for the newest", async () => {
    const secondStore = await lost("let-go/");
    await syncCopies(contextOf(secondStore), past);
    expect(await ids(secondStore)).toHaveLength(3);
    await forgotten(async () => {
      await syncCopies(contextOf(secondStore), later);
      expect(await ids(secondStore)).toHaveLength(3);
      const removed: (readonly string[])[] = [];
      const remove = async (keys: readonly string[]) => {
        removed.push(keys);
        await secondStore.remove(keys);
      };
      await syncCopies(contextOf({ ...secondStore, remove }), past);
      expect(await ids(secondStore)).toEqual([shop[2]!.id]);
      // Manifests are deleted first: a kill half-way leaves no incomplete backup.
      expect(removed.map(([first]) => first)).toEqual(
        shop.slice(0, 2).map(({ manifest }) => manifest.manifestKey),
      );
    });
  });

  it("does not take bytes without a manifest for the newest, and lets them go too", async () => {
    const secondStore = await lost("orphan/");
    const orphan = shop[2]!.manifest.key.replace(
      /\d{8}T\d{6}Z-\w{12}/,
      "20990101T000000Z-00000000000a",
    );
    await secondStore.writeText(orphan, "bytes", {});
    await forgotten(async () => {
      await syncCopies(contextOf(secondStore), past);
      expect(await ids(secondStore)).toEqual([shop[2]!.id, "00000000000a"]);
      await syncCopies(contextOf(secondStore), Date.parse("2099-03-01"));
      expect(await ids(secondStore)).toEqual([shop[2]!.id]);
    });
  });

  it("stays where COPY.keep says so, and where its database is not configured", async () => {
    const secondStore = await lost("keep/");
    await secondStore.writeText("notes.txt", "somebody's own", {});
    const before = await secondKeys(secondStore);
    await forgotten(async () => {
      await syncCopies(contextOf(secondStore, { keep: true }), past);
      await syncCopies(contextOf(secondStore, {}, { left: DATABASES.left }), past);
      expect(await secondKeys(secondStore)).toEqual(before);
      await syncCopies(contextOf(secondStore), past);
      expect(await secondKeys(secondStore)).toContain("notes.txt");
    });
  });
});

it("a copy is a bucket that the catalog can be rebuilt from", async () => {
  const secondStore = secondR2(COPY_BUCKET, "");
  await COPY_BUCKET.delete((await allKeys(COPY_BUCKET)).filter((key) => key.startsWith("keep/")));
  const context = contextOf(secondStore);
  for (const { id } of shop) await copyBackup(context, id);
  await syncCopies(context, later);
  const before = await listBackups(context.catalog, "shop", 3);
  await DB.prepare("DELETE FROM backups").run();
  await DB.prepare("DELETE FROM runs").run();
  const fresh = testContext(DATABASES, { bucket: COPY_BUCKET });
  for (let next: string | null = ""; next !== null;)
    next = (await rebuild(fresh, next === "" ? undefined : next)).next;
  const found = await listBackups(fresh.catalog, "shop", 3);
  expect(found).toEqual(before.map((backup) => ({ ...backup, copy: null })));
  await prove(fresh, shop[0]!.id, "verify");
  expect((await findBackup(fresh.catalog, shop[0]!.id))!.verification?.outcome).toBe("verified");
});
