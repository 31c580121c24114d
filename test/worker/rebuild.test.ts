import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { newestBackup } from "../../src/catalog/backups.ts";
import { openLineage } from "../../src/catalog/lineages.ts";
import { prove } from "../../src/jobs/prove.ts";
import { rebuild, type Rebuilt } from "../../src/jobs/rebuild.ts";
import { apiOf } from "../support/api.ts";
import { backUp, manualRun, testContext } from "../support/context.ts";
import { PageDatabase } from "../support/page-database.ts";

const { BUCKET, DB } = env as unknown as { BUCKET: R2Bucket; DB: D1Database };
const TABLES = ["objects", "backups", "runs", "segments", "lineages", "databases", "methods", "follows"];

let context: ReturnType<typeof testContext>;
let source: PageDatabase;

beforeAll(async () => {
  vi.spyOn(console, "info").mockImplementation(() => {});
  vi.spyOn(console, "error").mockImplementation(() => {});
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

async function rebuildAll(): Promise<Rebuilt> {
  const total: Rebuilt = { backups: 0, entered: 0, lineages: 0, left: [], next: null };
  for (let after: string | null | undefined; after !== null;) {
    const part: Rebuilt = await rebuild(context, after);
    total.backups += part.backups;
    total.entered += part.entered;
    total.lineages += part.lineages;
    total.left.push(...part.left);
    after = part.next;
  }
  return total;
}

/** What the API says of the backups, the runs that made them, and what can be asked of the log. */
async function answers(): Promise<Record<string, string>> {
  const api = apiOf(context);
  const said: Record<string, string> = {};
  const paths = ["shop", "shop-2", "asked"].flatMap((db) => [
    `/v1/databases/${db}/backups`,
    `/v1/databases/${db}/backups?limit=1`,
  ]);
  paths.push("/v1/databases/shop/backups/latest-verified");
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
