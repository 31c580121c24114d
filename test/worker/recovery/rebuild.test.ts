import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { listBackups, newestBackup } from "../../../src/catalog/backups.ts";
import { openLineage, segmentsOf } from "../../../src/catalog/lineages.ts";
import { pinBackup } from "../../../src/jobs/retention/pin.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import { rebuild, type Rebuilt } from "../../../src/jobs/recovery/rebuild.ts";
import { verifyLog } from "../../../src/jobs/proof/verify-log.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

const { BUCKET, DB } = env;
const TABLES = [
  "objects",
  "backups",
  "runs",
  "segments",
  "lineages",
  "databases",
  "methods",
  "follows",
];

let context: ReturnType<typeof testContext>;
let source: PageDatabase;

beforeAll(async () => {
  source = await PageDatabase.create();
  await source.fill("items", 50);
  context = testContext({
    shop: source.config,
    "shop-2": { ...source.config, capture: "dump" },
    asked: { ...source.config, checks: ["select 0"] },
  });
  for (const round of [1, 2]) {
    await source.exec(`UPDATE items SET pad = 'round ${round}' WHERE id = ${round}`);
    for (const name of ["shop", "shop-2", "asked"]) await backUp(context, manualRun(name));
    await context.followers.pull("shop");
  }
  const { id } = (await newestBackup(context.catalog, "shop"))!;
  for (const act of ["verify", "drill", "verify", "verify"] as const) await prove(context, id, act);
}, 120_000);

async function loseCatalog(): Promise<void> {
  for (const table of TABLES) await DB.prepare(`DELETE FROM ${table}`).run();
}

async function rebuildAll(acceptUnsigned = false, own = context): Promise<Rebuilt> {
  const total: Rebuilt = { backups: 0, entered: 0, lineages: 0, left: [], next: null };
  for (let after: string | null | undefined; after !== null;) {
    const part: Rebuilt = await rebuild(own, after, acceptUnsigned);
    total.backups += part.backups;
    total.entered += part.entered;
    total.lineages += part.lineages;
    total.left.push(...part.left);
    after = part.next;
  }
  return total;
}

/** Collect the API's answers about the backups, the runs that made them, and the log. */
async function answers(): Promise<Record<string, string>> {
  const api = apiOf(context);
  const said: Record<string, string> = {};
  const paths = ["shop", "shop-2", "asked"].flatMap((db) => [
    `/v1/databases/${db}/backups`,
    `/v1/databases/${db}/backups?limit=1`,
  ]);
  paths.push("/v1/databases/shop/backups/latest-drilled");
  const { backups } = await api.json("/v1/databases/shop/backups");
  for (const { id, runId } of backups)
    paths.push(`/v1/backups/${id}`, `/v1/runs/${runId}`, `/v1/backups/${id}/proofs`);
  for (const path of paths) said[path] = await (await api.call(path)).text();
  return said;
}

describe("a catalog that was lost", () => {
  it("is made again from the bucket: the API answers the same, byte for byte", async () => {
    const before = await answers();
    const timeline = await apiOf(context).json("/v1/databases/shop/timeline");
    await loseCatalog();
    expect(await apiOf(context).json("/v1/databases/shop/backups")).toEqual({
      configured: true,
      backups: [],
      next: null,
    });

    expect(await rebuildAll()).toMatchObject({
      backups: 6,
      entered: 6,
      lineages: 1,
      left: [],
      next: null,
    });
    expect(await answers()).toEqual(before);
    const { changes, window } = await apiOf(context).json("/v1/databases/shop/timeline");
    expect(changes.map(({ at, txid }: any) => [at, txid])).toEqual(
      timeline["changes"].map(({ at, txid }: any) => [at, txid]),
    );
    expect(window.from).toBe(timeline["window"].from);
    const failed = (await apiOf(context).json("/v1/databases/asked"))["lastRun"];
    expect(failed).toMatchObject({ state: "failed", error: { code: "DRILL_FAILED" } });
  });

  it("changes nothing when nothing is missing", async () => {
    const before = await answers();
    expect(await rebuildAll()).toMatchObject({ entered: 0, lineages: 0 });
    expect(await answers()).toEqual(before);
  });

  it("is made again under another SIGNING_KEY where the one of before is named", async () => {
    const SIGNING_KEY = "another-signing-key-of-24-characters";
    const under = (secrets: Record<string, string>) =>
      rebuildAll(false, testContext({ shop: source.config }, { secrets }));
    await loseCatalog();
    const unknown = await under({ SIGNING_KEY });
    expect(unknown).toMatchObject({ backups: 0, entered: 0 });
    expect(unknown.left.map(({ error }) => error.code)).toContain("OBJECT_UNSIGNED");
    const FORMER_SIGNING_KEYS = "test-signing-key-of-24-characters";
    expect(await under({ SIGNING_KEY, FORMER_SIGNING_KEYS })).toMatchObject({
      backups: 6,
      entered: 6,
      left: [],
    });
    await loseCatalog();
    await rebuildAll();
  });

  it("leaves a log that goes on where it was", async () => {
    await loseCatalog();
    await rebuildAll();
    const known = (await openLineage(context.catalog, "shop"))!;
    await source.exec("UPDATE items SET pad = 'after' WHERE id = 7");
    await backUp(testContext({ shop: source.config }), manualRun("shop"));
    const { manifest } = (await newestBackup(context.catalog, "shop"))!;
    expect(manifest.snapshot?.log).toEqual({ lineage: known.id, txid: known.txid + 1 });
    expect((await prove(context, manifest.id, "drill")).outcome).toBe("passed");
  });

  it("is made again with a log of more segments than one query can enter", async () => {
    for (let pull = 0; pull < 20; pull++) {
      await source.exec(`UPDATE items SET pad = 'pull ${pull}' WHERE id = 3`);
      await context.followers.pull("shop");
    }
    const { id } = (await openLineage(context.catalog, "shop"))!;
    const segments = await segmentsOf(context.catalog, id);
    expect(segments.length).toBeGreaterThan(20);
    await loseCatalog();
    expect(await rebuildAll()).toMatchObject({ lineages: 1, left: [] });
    const keysOf = (rows: { key: string }[]) => rows.map(({ key }) => key).toSorted();
    expect(keysOf(await segmentsOf(context.catalog, id))).toEqual(keysOf(segments));
  });

  it("enters no backup that is not whole, and tells which", async () => {
    const { manifest } = (await newestBackup(context.catalog, "shop-2"))!;
    const text = await (await BUCKET.get(manifest.manifestKey))!.text();
    const damages = {
      flipped: async () => {
        const other = text.replace('"rows": 5', '"rows": 6');
        expect(other).not.toBe(text);
        await BUCKET.put(manifest.manifestKey, other, { customMetadata: customMetadata! });
      },
      gone: () => BUCKET.delete(manifest.key),
      "no manifest": () => BUCKET.delete(manifest.manifestKey),
    };
    const { customMetadata } = (await BUCKET.head(manifest.manifestKey))!;
    for (const [what, damage] of Object.entries(damages)) {
      await BUCKET.put(manifest.manifestKey, text, { customMetadata: customMetadata! });
      await damage();
      await loseCatalog();
      const { left } = await rebuildAll();
      const listed = (await apiOf(context).json("/v1/databases/shop-2/backups"))["backups"];
      expect(
        listed.map(({ id }: any) => id),
        what,
      ).not.toContain(manifest.id);
      expect(
        left.map(({ key }) => key),
        what,
      ).toEqual(what === "no manifest" ? [] : [manifest.manifestKey]);
    }
  });
});

describe("a bucket that holds what nobody can enter", () => {
  /** Store a manifest like a good one, under a new id, with its bytes. */
  async function another(
    id: string,
    change: (manifest: Record<string, any>) => void,
    signed = true,
  ): Promise<string> {
    const { manifest } = (await newestBackup(context.catalog, "shop-2"))!;
    const bytes = await (await BUCKET.get(manifest.key))!.arrayBuffer();
    const renamed = (key: string) => key.replace(manifest.id, id);
    const other = { ...manifest, id, runId: id } as Record<string, any>;
    Object.assign(other, {
      key: renamed(manifest.key),
      manifestKey: renamed(manifest.manifestKey),
    });
    change(other);
    await BUCKET.put(renamed(manifest.key), bytes);
    const key = renamed(manifest.manifestKey);
    const text = `${JSON.stringify(other, undefined, 2)}\n`;
    if (signed) await context.bucket.put(key, text);
    else await BUCKET.put(key, text);
    return key;
  }

  it("enters the rest, and tells which was left and why", async () => {
    await rebuildAll();
    const { runId } = (await newestBackup(context.catalog, "shop-2"))!;
    const bad = {
      "no time": await another("00000000000a", (manifest) => (manifest["takenAt"] = null)),
      "a run of two": await another("00000000000b", (manifest) => (manifest["runId"] = runId)),
      "another's key": await another("00000000000c", (manifest) => (manifest["key"] = "secrets")),
      newer: await another("00000000000d", (manifest) => (manifest["format"] = 2)),
      nobodys: await another("00000000000e", () => {}, false),
    };
    const healthy = await rebuildAll();
    expect(healthy).toMatchObject({ entered: 0 });
    await loseCatalog();
    const found = await rebuildAll();
    const codes = Object.fromEntries(found.left.map(({ key, error }) => [key, error.code]));
    expect(codes).toMatchObject({
      [bad["no time"]]: "OBJECT_CORRUPT",
      [bad["another's key"]]: "OBJECT_CORRUPT",
      [bad.newer]: "OBJECT_CORRUPT",
      [bad.nobodys]: "OBJECT_UNSIGNED",
    });
    // If two have the same run, the first one found counts.
    expect(Object.values(codes).filter((code) => code === "CATALOG_CONFLICT")).toHaveLength(1);
    expect(found.entered).toBeGreaterThan(5);
    expect(found).toMatchObject({ lineages: 1 });
    const accepted = await rebuildAll(true);
    expect(accepted).toMatchObject({ entered: 1 });
    expect(accepted.left.map(({ key }) => key)).not.toContain(bad.nobodys);
    for (const key of Object.values(bad)) {
      await context.bucket.delete(key);
      await context.bucket.delete(key.replace(/json$/, "sql.zst"));
    }
    await loseCatalog();
    expect((await rebuildAll()).left).toEqual([]);
  });

  it("knows a forged segment, one whose MAC was taken away, and goes on from none", async () => {
    const open = (await openLineage(context.catalog, "shop"))!;
    const rows = await segmentsOf(context.catalog, open.id);
    const { key } = rows.findLast(({ level }) => level === 0)!;
    const before = (await BUCKET.get(key))!;
    const bytes = await before.arrayBuffer();
    const note = before.customMetadata!;
    const { mac: _mac, ...stripped } = note;
    const cursor = JSON.stringify({ ...JSON.parse(note["cursor"]!), frame: 0 });
    for (const [what, customMetadata] of Object.entries({
      stripped,
      moved: { ...note, cursor },
    })) {
      await BUCKET.put(key, bytes, { customMetadata });
      await loseCatalog();
      const { left, lineages } = await rebuildAll();
      expect(lineages, what).toBe(1);
      expect(left, what).toMatchObject([{ key, error: { code: "OBJECT_UNSIGNED" } }]);
      expect(await openLineage(context.catalog, "shop"), what).toBeUndefined();
    }
    // The metadata is Nightjar's, but the bytes are different.
    const other = new Uint8Array(bytes.slice(0));
    other[other.length >> 1]! ^= 1;
    await BUCKET.put(key, other, { customMetadata: note });
    await loseCatalog();
    expect((await rebuildAll()).left).toEqual([]);
    const { damaged } = await verifyLog(testContext({ shop: source.config }), "shop");
    expect(damaged).toMatchObject([{ key, error: { code: "OBJECT_CORRUPT" } }]);
    await BUCKET.put(key, bytes, { customMetadata: note });
  });

  it("has as many backups as the list, pinned ones too", async () => {
    const { id } = (await newestBackup(context.catalog, "shop-2"))!;
    await pinBackup(context, id, "user", "kept");
    await loseCatalog();
    const { backups } = await rebuildAll();
    let listed = 0;
    for (const name of ["shop", "shop-2", "asked"])
      listed += (await listBackups(context.catalog, name, 100)).length;
    expect(backups).toBe(listed);
  });
});
